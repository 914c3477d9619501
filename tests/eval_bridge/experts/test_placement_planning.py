import numpy as np
import pytest

from eval_bridge.experts.grasp_planning import HandShape
from eval_bridge.experts.placement_planning import palm_points, plan_placement, resting_height, spread
from eval_bridge.experts.scene import HeightMap, OrientedBox, Pose

TICKS = np.round(np.arange(-0.2, 0.2001, 0.005), 3)
X, Y = np.meshgrid(TICKS, TICKS, indexing="ij")
MASS = np.zeros(3)


def _map(*blocks: tuple[float, float, float, float, float]) -> HeightMap:
    """A floor at 0 with blocks: x and y of the middle, half sizes, height."""
    height = np.zeros(X.shape)
    for x, y, half_x, half_y, top in blocks:
        height[(np.abs(X - x) <= half_x) & (np.abs(Y - y) <= half_y)] = top
    return HeightMap(TICKS, TICKS, height, np.zeros(X.shape, bool))


def _slab(half_x: float, half_y: float, bottom: float = -0.03) -> np.ndarray:
    """The lower face of a box whose origin is 3 cm above it."""
    x, y = np.meshgrid(np.linspace(-half_x, half_x, 9), np.linspace(-half_y, half_y, 9))
    return np.column_stack([x.ravel(), y.ravel(), np.full(81, bottom)])


def _region(half_x: float, half_y: float, half_z: float = 0.1) -> OrientedBox:
    return OrientedBox(Pose(np.zeros(3), np.eye(3)), np.array([half_x, half_y, half_z]))


def test_stands_in_the_wished_place_where_it_is_free():
    placement = plan_placement(_map(), _region(0.1, 0.1), np.array([0.02, -0.03]), _slab(0.02, 0.02), MASS)
    np.testing.assert_allclose(placement.position, [0.02, -0.03, 0.03], atol=1e-9)
    assert placement.turn == 0.0
    assert not placement.is_tight


def test_stands_beside_what_is_there_already():
    taken = _map((0.0, 0.0, 0.03, 0.03, 0.08))
    placement = plan_placement(taken, _region(0.1, 0.1), np.zeros(2), _slab(0.02, 0.02), MASS)
    assert placement.position[2] == pytest.approx(0.03)
    assert np.abs(placement.position[:2]).max() > 0.05


def test_does_not_stand_on_an_edge():
    """Half of the region is a step too high to reach: no place on the edge, where it would tip."""
    step = _map((0.1, 0.0, 0.1, 0.2, 0.01))
    placement = plan_placement(step, _region(0.06, 0.06), np.zeros(2), _slab(0.02, 0.02), MASS)
    assert placement.position[0] < -0.015


def test_turns_to_fit_between_walls():
    walls = _map((-0.06, 0.0, 0.02, 0.2, 0.2), (0.06, 0.0, 0.02, 0.2, 0.2))  # a gap of 8 cm along y
    turns = (0.0, np.pi / 2)
    placement = plan_placement(
        walls, _region(0.035, 0.1), np.zeros(2), _slab(0.055, 0.015), MASS, turns=turns, inside=True
    )
    assert placement.turn == pytest.approx(np.pi / 2)
    np.testing.assert_allclose(placement.position, [0, 0, 0.03], atol=0.011)
    narrow = plan_placement(walls, _region(0.035, 0.1), np.zeros(2), _slab(0.03, 0.03), MASS)
    assert narrow.is_tight


def test_keeps_the_palm_off_a_neighbour():
    hand = HandShape()
    wall = _map((0.0, 0.08, 0.2, 0.02, 0.2))
    palm = palm_points(hand, np.array([0.0, 0.0, 0.02]), yaw=0.0)  # across the wall
    box = _slab(0.02, 0.02)
    across = plan_placement(wall, _region(0.05, 0.05), np.zeros(2), box, MASS, palm, turns=(0.0, np.pi / 2))
    assert across.turn == pytest.approx(np.pi / 2)
    assert plan_placement(wall, _region(0.05, 0.05), np.zeros(2), box, MASS, turns=(0.0, np.pi / 2)).turn == 0.0


def test_resting_height_is_exact_for_a_bowl_over_a_post():
    radius = np.hypot(*_slab(0.05, 0.05)[:, :2].T)
    bowl = np.column_stack([_slab(0.05, 0.05)[:, :2], np.where(radius < 0.03, 0.0, 0.04)])
    assert resting_height(_map((0.0, 0.0, 0.01, 0.01, 0.02)), bowl, np.zeros(2)) == pytest.approx(0.02)
    assert resting_height(_map((0.0, 0.0, 0.01, 0.01, 0.02)), bowl, np.array([0.05, 0.0])) == pytest.approx(0.0)


def test_palm_lies_across_the_fingers_and_turns_with_the_hand():
    hand = HandShape()
    points = palm_points(hand, np.array([0.1, 0.2, 0.3]), yaw=0.0) - [0.1, 0.2, 0.3]
    np.testing.assert_allclose(np.abs(points[:, :2]).max(axis=0), [hand.palm_half_width, hand.palm_half_length])
    turned = palm_points(hand, np.zeros(3), yaw=np.pi / 2)
    np.testing.assert_allclose(np.abs(turned[:, :2]).max(axis=0), [hand.palm_half_length, hand.palm_half_width])


def test_several_objects_are_spread_side_by_side_inside_the_region():
    region, size = _region(0.075, 0.075), np.array([0.08, 0.15, 0.15])
    left, right = (spread(region, size, slot, 2) for slot in (0, 1))
    np.testing.assert_allclose(right - left, [0.075, 0.0])  # half of the region each, along the narrow side
    np.testing.assert_allclose(left + right, 0.0, atol=1e-9)
    np.testing.assert_allclose(spread(region, size, 0, 1), 0.0)
