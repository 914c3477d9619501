"""What physics may show of a layout that stands, and what not."""

from types import SimpleNamespace

import numpy as np
import pytest

from eval_bridge.simulators.libero.layout.checking import Settled, fault_of_settled, rotation_of

ROBOT, BOWL, TABLE, PLATE = 0, 1, 2, 3
QUERIES = SimpleNamespace(robot_body=ROBOT)
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])
TIPPED = np.array([np.cos(0.4), np.sin(0.4), 0.0, 0.0])  # by 0.8 radians about x
RESTING = Settled(
    positions={"bowl": np.array([0.1, 0.2, 0.9])},
    rotations={"bowl": np.eye(3)},
    speeds={"bowl": 0.0},
    holds=(False,),
    contacts={(BOWL, TABLE): 0.001},
    seen=frozenset({"bowl"}),
)
PUT = {"bowl": np.array([0.1, 0.2, 0.902, *UPRIGHT])}


def fault(now=RESTING, own=RESTING, put=PUT):
    return fault_of_settled(QUERIES, now, own, put)


def test_a_thing_that_lies_where_it_was_put_is_no_fault():
    assert fault() is None
    turned = np.array([0.1, 0.2, 0.902, np.cos(0.3), 0.0, 0.0, np.sin(0.3)])
    assert fault(RESTING._replace(rotations={"bowl": rotation_of(turned[3:])}), put={"bowl": turned}) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"holds": (True,)}, "the goal holds at the start"),
        ({"contacts": {(ROBOT, BOWL): 0.0}}, "touches the robot"),
        ({"contacts": {(BOWL, PLATE): 0.005}}, "things in each other"),
        ({"positions": {"bowl": np.array([0.12, 0.2, 0.9])}}, "does not lie where it was put"),
        ({"rotations": {"bowl": rotation_of(TIPPED)}}, "does not lie where it was put"),
        ({"speeds": {"bowl": 0.1}}, "does not lie still"),
        ({"seen": frozenset()}, "hidden behind something"),
    ],
)
def test_what_refuses_a_layout_unless_the_own_start_settles_so(changes, reason):
    now = RESTING._replace(**changes)
    assert fault(now) == reason
    assert fault(now, own=now) is None


def test_what_falls_over_in_its_own_start_may_stand_or_fall():
    own = RESTING._replace(rotations={"bowl": rotation_of(TIPPED)})
    assert fault(RESTING, own=own) is None
    elsewhere = {"bowl": PUT["bowl"] + np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])}
    moved = own._replace(positions={"bowl": elsewhere["bowl"][:3]})
    assert fault(moved, own=own, put=elsewhere) == "does not lie where it was put"


def test_a_rotation_by_its_quaternion():
    quarter = rotation_of(np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]))
    np.testing.assert_allclose(quarter @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)
