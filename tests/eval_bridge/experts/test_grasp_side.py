import numpy as np
import pytest

from eval_bridge.experts.grasp_planning import Grasp, GraspPreferences, HandShape, plan_grasp
from eval_bridge.experts.grasp_side import WORSE, kind_of_grasp, prefer_side, why_not
from eval_bridge.experts.scene import HeightMap

TICKS = np.round(np.arange(-0.2, 0.2001, 0.004), 3)
X, Y = np.meshgrid(TICKS, TICKS, indexing="ij")
MASS = np.zeros(3)


def _plan(height: np.ndarray, is_target: np.ndarray, preferences: GraspPreferences) -> Grasp:
    surface = HeightMap(TICKS, TICKS, height, is_target)
    return plan_grasp(surface, MASS, np.array([-0.5, 0.0]), np.zeros(2), hand=HandShape(), preferences=preferences)


def _bowl() -> tuple[np.ndarray, np.ndarray]:
    radius = np.hypot(X, Y)
    return np.where(radius > 0.045, 0.06, 0.02) * (radius <= 0.05), radius <= 0.05


@pytest.mark.parametrize(("side", "kind"), [(-90.0, "right"), (90.0, "left"), (180.0, "near"), (0.0, "far")])
def test_the_side_asked_for_decides_among_equal_grasps(side, kind):
    grasp = _plan(*_bowl(), prefer_side(GraspPreferences(), side))
    assert kind_of_grasp(grasp, MASS) == kind
    assert grasp.cost < _plan(*_bowl(), GraspPreferences()).cost + WORSE
    assert why_not(grasp, grasp, MASS, side) == ""


def test_of_a_cube_it_decides_which_faces_are_gripped():
    is_target = (np.abs(X) <= 0.02) & (np.abs(Y) <= 0.02)
    kinds = [
        kind_of_grasp(_plan(0.06 * is_target, is_target, prefer_side(GraspPreferences(), side)), MASS)
        for side in (-90.0, 90.0, 180.0)
    ]
    assert kinds == ["middle, crosswise", "middle, crosswise", "middle, lengthwise"]


def test_the_planners_own_side_is_preferred_as_by_default():
    default, asked = GraspPreferences(), prefer_side(GraspPreferences(), -90.0)
    np.testing.assert_allclose(asked.side, default.side, atol=1e-15)
    assert asked.preferred_yaw == default.preferred_yaw


def test_yaws_stay_within_the_last_joints_range():
    yaws = np.rad2deg([prefer_side(GraspPreferences(), side).preferred_yaw for side in range(-180, 181, 5)])
    assert (yaws.min(), yaws.max()) == pytest.approx((-75.0, 100.0))


def test_no_grasp_one_on_another_side_and_one_that_costs_more_are_refused():
    best = Grasp(np.array([0.0, -0.05, 0.0]), 0.0, 0.1)
    assert why_not(None, best, MASS, 90.0) == "there is no grasp there"
    assert why_not(best, best, MASS, 90.0) == "the best grasp for that side lies on another"
    dear = Grasp(np.array([0.0, 0.05, 0.0]), 0.0, 0.1 + WORSE + 0.01)
    assert why_not(dear, best, MASS, 90.0) == "the best grasp there costs 0.09 m more"
    assert why_not(dear._replace(cost=0.1 + WORSE - 0.01), best, MASS, 90.0) == ""
