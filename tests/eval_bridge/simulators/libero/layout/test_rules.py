"""Why an arrangement is no layout, one cause at a time."""

import dataclasses

import numpy as np
import pytest

from eval_bridge.simulators.libero.layout.arrangement import Arrangement
from eval_bridge.simulators.libero.layout.rules import fault_of
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from tests.eval_bridge.simulators.libero.layout.layout_examples import example_scene

SETTINGS = LayoutSettings()
CONFUSING = "a look-alike where the words would mean it"


def at(scene=None, **positions) -> Arrangement:
    """Things on the table at x and y, each turned by nothing."""
    arrangement = Arrangement.of(scene or example_scene())
    for name, (x, y) in positions.items():
        arrangement = arrangement.move(name, np.array([x, y, 0.0]), 0.0)
    return arrangement


def test_the_tasks_own_layout_has_no_fault():
    assert fault_of(at(), SETTINGS) is None


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ((0.2, 0.1), None),
        ((0.0, -0.2), "two things overlap"),
        ((0.3, 0.3), "out of reach"),  # 0.95 m from the foot
        ((-0.2, 0.58), "out of reach"),  # over the edge of the table
        ((-0.35, 0.05), "out of reach"),  # 0.25 m from the foot
    ],
)
def test_a_thing_put_anywhere(place, fault):
    assert fault_of(at(pot_1=place), SETTINGS) == fault


def test_what_is_still_to_be_moved_is_in_nobodys_way():
    assert fault_of(at(pot_1=(0.0, -0.2)), SETTINGS, ignored=["plate_1"]) is None


def test_a_thing_must_be_whole_in_the_picture_and_a_fixture_in_its_middle():
    narrow = example_scene()
    narrow = narrow._replace(view=narrow.view._replace(slope=0.1))  # to 0.285 m from the middle of the table
    assert fault_of(at(narrow, pot_1=(0.2, 0.1)), SETTINGS) is None
    assert fault_of(at(narrow, pot_1=(0.2, 0.26)), SETTINGS) == "out of sight"
    assert fault_of(at(narrow, stove_1=(-0.2, 0.12)), SETTINGS) is None
    assert fault_of(at(narrow, stove_1=(-0.2, 0.3)), SETTINGS) == "out of sight"


def test_where_the_goal_moves_something_the_place_is_free_of_all_but_that():
    scene = example_scene(grounded=frozenset({"plate_1"}))
    scene = scene._replace(kept_free=(np.array([[0.1, 0.1], [0.2, 0.2]]),))
    assert fault_of(at(scene, pot_1=(0.2, 0.1)), SETTINGS) == "on the goal's place"
    assert fault_of(at(scene, plate_1=(0.15, 0.1)), SETTINGS) is None


def test_a_look_alike_may_not_stand_next_to_a_landmark():
    assert fault_of(at(bowl_2=(0.0, 0.15)), SETTINGS) == CONFUSING
    assert fault_of(at(bowl_2=(0.0, 0.2)), SETTINGS) is None
    assert fault_of(at(bowl_2=(0.0, 0.15)), dataclasses.replace(SETTINGS, apart=0.1)) is None
    assert fault_of(at(bowl_2=(0.0, 0.15)).remove("bowl_2"), SETTINGS) is None


def test_a_look_alike_may_not_stand_on_a_landmark():
    scene = example_scene(landmarks=("stove_1",))
    raised = Arrangement.of(scene).stand("bowl_2", np.array([-0.2, 0.1, 0.032]), 0.0, "stove_1")
    assert fault_of(raised, SETTINGS) == CONFUSING
    assert fault_of(dataclasses.replace(raised, scene=example_scene()), SETTINGS) is None


def test_a_look_alike_may_not_take_the_targets_own_place():
    gone = at(cookies_1=(0.1, -0.1))
    assert fault_of(gone, SETTINGS) is None
    assert fault_of(gone.move("bowl_2", np.array([0.0, 0.08, 0.0]), 0.0), SETTINGS) == CONFUSING
