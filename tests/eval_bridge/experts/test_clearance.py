import numpy as np
import pytest

from eval_bridge.experts.clearance import highest_along, highest_within
from eval_bridge.experts.scene import Box, HeightMap


@pytest.fixture
def surface() -> HeightMap:
    """A floor of 1 m x 1 m with a pole of height 0.5 at (0.2, 0.1)."""
    ticks = np.round(np.arange(-0.5, 0.501, 0.05), 2)
    height = np.zeros((len(ticks), len(ticks)))
    height[14, 12] = 0.5
    assert (ticks[14], ticks[12]) == (0.2, 0.1)
    return HeightMap(ticks, ticks, height, height > 0)


def test_a_pole_beside_the_way_counts_if_the_way_is_wide_enough(surface):
    start, end = np.array([-0.4, 0.0]), np.array([0.4, 0.0])
    assert highest_along(surface, start, end, half_width=0.09) == 0.0
    assert highest_along(surface, start, end, half_width=0.11) == 0.5


def test_a_pole_behind_the_end_does_not_count(surface):
    assert highest_along(surface, np.array([-0.4, 0.1]), np.array([0.1, 0.1]), half_width=0.09) == 0.0


def test_a_way_of_no_length_is_a_disc(surface):
    point = np.array([0.2, 0.0, 7.0])
    assert highest_along(surface, point, point, half_width=0.11) == 0.5


def test_highest_within_a_box(surface):
    assert highest_within(surface, Box(np.array([0.1, 0.0, 9]), np.array([0.2, 0.1, 9]))) == 0.5
    assert highest_within(surface, Box(np.array([0.1, 0.0, 9]), np.array([0.15, 0.1, 9]))) == 0.0
    assert highest_within(surface, Box(np.array([0.61, 0.0, 0]), np.array([0.7, 0.1, 0]))) == -np.inf
