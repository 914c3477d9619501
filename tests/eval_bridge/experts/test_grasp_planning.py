import numpy as np
import pytest

from eval_bridge.experts.grasp_planning import GraspPreferences, HandShape, plan_grasp
from eval_bridge.experts.scene import HeightMap

BASE = np.array([-0.66, 0.0])
HAND = HandShape()
TICKS = np.round(np.arange(-0.2, 0.2001, 0.004), 3)
X, Y = np.meshgrid(TICKS, TICKS, indexing="ij")


def _map(*shapes: tuple[np.ndarray, float, bool]) -> HeightMap:
    """A floor at 0 with shapes: where, how high, whether it is the target."""
    height, is_target = np.zeros(X.shape), np.zeros(X.shape, bool)
    for where, top, marked in shapes:
        height[where], is_target[where] = top, marked
    return HeightMap(TICKS, TICKS, height, is_target)


def _box(x: float, y: float, half_x: float, half_y: float) -> np.ndarray:
    return (np.abs(X - x) <= half_x) & (np.abs(Y - y) <= half_y)


def _ring(inner: float, outer: float) -> np.ndarray:
    radius = np.hypot(X, Y)
    return (radius >= inner) & (radius <= outer)


def _plan(surface: HeightMap, carry=(0.0, 0.0), **preferences):
    return plan_grasp(
        surface, np.zeros(2), BASE, np.array(carry), hand=HAND, preferences=GraspPreferences(**preferences)
    )


def test_grasps_a_small_box_in_its_middle_with_the_preferred_yaw():
    grasp = _plan(_map((_box(0, 0, 0.02, 0.02), 0.06, True)))
    assert grasp.yaw == pytest.approx(0.0)
    np.testing.assert_allclose(grasp.position[:2], 0, atol=0.005)
    assert grasp.position[2] == pytest.approx(0.06 - HAND.palm + 0.006)  # as deep as the palm allows


def test_turns_the_hand_if_only_the_other_side_is_narrow_enough():
    grasp = _plan(_map((_box(0, 0, 0.02, 0.08), 0.06, True)), yaw=0.01)
    assert abs(grasp.yaw) == pytest.approx(np.pi / 2, abs=0.3)  # the fingers close along x


def test_grasps_a_bowl_by_its_rim_on_the_preferred_side():
    bowl = _map((_ring(0.0, 0.05), 0.02, True), (_ring(0.045, 0.05), 0.06, True))
    for side in ((0.0, -1.0), (0.0, 1.0)):
        grasp = _plan(bowl, side=side)
        assert grasp.yaw == pytest.approx(0.0)
        np.testing.assert_allclose(grasp.position[:2], [0.0, 0.0475 * side[1]], atol=0.005)


def test_does_not_reach_where_a_neighbour_leaves_no_room_for_a_finger():
    box = (_box(0, 0, 0.02, 0.02), 0.06, True)
    wall = (_box(0, 0.05, 0.2, 0.02), 0.2, False)  # along x, in the way of fingers that open along y
    assert abs(_plan(_map(box, wall)).yaw) > np.deg2rad(40)


def test_stays_above_what_the_palm_would_hit():
    tall = (_box(0, 0.09, 0.2, 0.01), 0.075, False)  # under the palm, outside the fingers
    grasp = _plan(_map((_box(0, 0, 0.02, 0.02), 0.06, True), tall), yaw=10.0)
    assert grasp.position[2] == pytest.approx(0.075 - HAND.palm + 0.006)


def test_prefers_the_side_within_reach():
    bowl = _map((_ring(0.0, 0.05), 0.02, True), (_ring(0.045, 0.05), 0.06, True))
    far = _plan(bowl, carry=(0.12, 0.0), off_side=0.0, yaw=0.0)
    assert far.position[0] < -0.03  # on the robot's side of the rim


def test_finds_nothing_where_there_is_nothing_to_grasp():
    assert _plan(_map()) is None
    assert _plan(_map((_ring(0.0, 0.08), 0.06, True))) is None  # too wide in every direction


def test_does_not_depend_on_where_in_the_world_the_object_is():
    surface = _map((_box(0, 0, 0.02, 0.03), 0.06, True))
    shift = np.array([0.3, -0.2])
    moved = HeightMap(TICKS + shift[0], TICKS + shift[1], surface.height + 0.9, surface.is_target)
    here = _plan(surface)
    there = plan_grasp(moved, shift, BASE + shift, np.zeros(2), hand=HAND, preferences=GraspPreferences())
    np.testing.assert_allclose(there.position - here.position, [*shift, 0.9], atol=1e-9)
    assert there.yaw == here.yaw


def test_grasps_what_is_long_in_its_middle_whatever_side_is_preferred():
    box = _map((_box(0, 0, 0.08, 0.02), 0.06, True))
    for side in ((1.0, 0.0), (-1.0, 0.0)):
        np.testing.assert_allclose(_plan(box, side=side, off_axis=0.0).position[:2], 0, atol=0.005)


@pytest.mark.parametrize("further", [0.04, 0.06, 0.08])
def test_goes_along_a_rim_that_is_far_away_and_keeps_the_fingers_across_it(further):
    """The preferred side stays, the hand turns with the rim: neighbouring starts get neighbouring grasps."""
    bowl = _map((_ring(0.0, 0.05), 0.02, True), (_ring(0.045, 0.05), 0.06, True))
    reach = GraspPreferences().longest_reach_to_place
    grasp = _plan(bowl, carry=(reach + BASE[0] + further, 0.0))
    assert grasp.position[0] < -0.005  # towards the robot
    assert grasp.position[1] < -0.01  # on the preferred side
    across = np.array([np.cos(grasp.yaw), np.sin(grasp.yaw)])
    assert abs(across @ grasp.position[:2]) < 0.006


def test_things_may_be_put_down_further_away_than_they_are_grasped():
    bowl = _map((_ring(0.0, 0.05), 0.02, True), (_ring(0.045, 0.05), 0.06, True))
    away = GraspPreferences().longest_reach_to_place - 0.005
    put_down = _plan(bowl, carry=(away + BASE[0], 0.0))
    assert put_down.position[0] == pytest.approx(0.0, abs=0.005)
    taken = plan_grasp(
        bowl, np.zeros(2), np.array([-away, 0.0, 0.0]), np.zeros(2), hand=HAND, preferences=GraspPreferences()
    )
    assert taken.position[0] < -0.005  # towards the robot


def test_keeps_fingers_away_from_a_wall_that_they_would_just_clear():
    bowl = ((_ring(0.0, 0.05), 0.02, True), (_ring(0.045, 0.05), 0.06, True))
    wall = (_box(0, -0.125, 0.2, 0.016), 0.07, False)  # along x, beside the rim's preferred side
    assert _plan(_map(*bowl, wall), tight=0.0, crowded=0.0).yaw == pytest.approx(0.0)
    careful = _plan(_map(*bowl, wall), crowded=0.0)
    assert abs(careful.yaw) > np.deg2rad(20)  # the outer finger turns away from it
    assert careful.position[1] > -0.043


def test_keeps_fingers_a_centimetre_away_from_things_where_there_is_room_enough():
    bowl = ((_ring(0.0, 0.05), 0.02, True), (_ring(0.045, 0.05), 0.06, True))
    neighbour = (_box(-0.03, -0.14, 0.04, 0.02), 0.07, False)  # a centimetre beside the outer finger
    assert _plan(_map(*bowl, neighbour), crowded=0.0).yaw == pytest.approx(0.0)
    careful = _plan(_map(*bowl, neighbour))
    assert abs(careful.yaw) > np.deg2rad(5)
    wall = (_ring(0.12, 0.17), 0.07, False)  # crowded wherever the hand is: then nothing changes
    crowded, free = _plan(_map(*bowl, wall)), _plan(_map(*bowl, wall), crowded=0.0)
    assert crowded.yaw == free.yaw
    np.testing.assert_array_equal(crowded.position, free.position)
