import numpy as np

from eval_bridge.experts.path_planning import plan_slide
from eval_bridge.experts.scene import Box, HeightMap

TICKS = np.round(np.arange(-0.3, 0.3001, 0.01), 3)
X, Y = np.meshgrid(TICKS, TICKS, indexing="ij")
BASE = np.array([-0.3, 0.0])
TARGET = Box(np.array([-0.02, 0.18, 0.0]), np.array([0.02, 0.22, 0.0]))


def _plan(height: np.ndarray, start=(0.0, -0.1), base=BASE, target=TARGET) -> np.ndarray:
    surface = HeightMap(TICKS, TICKS, height, np.zeros(X.shape, bool))
    return plan_slide(surface, np.array(start), target, base, radius=0.05, ground=0.01)


def test_the_free_way_is_straight_to_the_middle_of_the_target():
    np.testing.assert_allclose(_plan(np.zeros(X.shape)), [[0.0, 0.2]])


def test_what_is_low_is_not_in_the_way():
    np.testing.assert_allclose(_plan(np.full(X.shape, 0.005)), [[0.0, 0.2]])


def test_goes_around_a_long_wall():
    wall = np.where((np.abs(X) < 0.03) & (np.abs(Y - 0.03) < 0.12), 0.1, 0.0)  # lies along the straight way
    way = _plan(wall)
    assert len(way) == 2
    assert abs(way[0, 0]) > 0.07
    np.testing.assert_allclose(way[-1], [0.0, 0.2], atol=0.03)


def test_ends_in_the_part_of_the_target_that_is_within_reach():
    far = Box(np.array([0.1, -0.05, 0.0]), np.array([0.2, 0.05, 0.0]))
    near_end = _plan(np.zeros(X.shape), start=(0.0, 0.0), base=np.array([-0.62, 0.0]), target=far)[-1]
    middle = _plan(np.zeros(X.shape), start=(0.0, 0.0), base=np.array([-0.5, 0.0]), target=far)[-1]
    np.testing.assert_allclose(middle, [0.15, 0.0], atol=1e-9)
    assert near_end[0] < 0.14
