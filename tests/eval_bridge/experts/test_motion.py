import numpy as np
import pytest

from eval_bridge.experts.motion import (
    GRIPPER_CLOSED,
    action_towards,
    hand_down,
    limit_speed,
    rotation_vector,
)
from eval_bridge.experts.scene import Pose


def _rotation(axis, angle: float) -> np.ndarray:
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, 2.0, np.pi - 1e-2])
def test_rotation_vector_is_axis_times_angle(angle):
    axis = np.array([2.0, -1.0, 2.0]) / 3
    np.testing.assert_allclose(rotation_vector(_rotation(axis, angle)), angle * axis, atol=1e-9)


@pytest.mark.parametrize("angle", [np.pi, np.pi - 1e-6])
def test_half_a_turn_has_an_axis_too(angle):
    axis = np.array([2.0, -1.0, 2.0]) / 3
    vector = rotation_vector(_rotation(axis, angle))
    np.testing.assert_allclose(np.abs(vector @ axis), np.pi, atol=1e-4)


def test_a_hand_that_points_down_opens_along_y():
    np.testing.assert_allclose(hand_down(0.0)[:, 0], [0, 1, 0])
    np.testing.assert_allclose(hand_down(0.4)[:, 2], [0, 0, -1])
    np.testing.assert_allclose(hand_down(np.pi / 2)[:, 0], [-1, 0, 0], atol=1e-12)


def test_near_the_target_the_action_is_proportional_to_the_way_left():
    hand, target = Pose(np.zeros(3), np.eye(3)), Pose(np.array([0.01, -0.02, 0.0]), np.eye(3))
    np.testing.assert_allclose(action_towards(hand, target, GRIPPER_CLOSED), [0.2, -0.4, 0, 0, 0, 0, 1], atol=1e-6)


def test_far_from_the_target_the_action_has_the_asked_speed_and_keeps_its_direction():
    hand, target = Pose(np.zeros(3), np.eye(3)), Pose(np.array([0.3, 0.0, -0.4]), np.eye(3))
    action = action_towards(hand, target, GRIPPER_CLOSED, speed=0.5)
    np.testing.assert_allclose(action[:3], [0.375, 0.0, -0.5], atol=1e-6)
    assert action.dtype == np.float32


def test_turns_towards_the_target_orientation():
    hand, target = Pose(np.zeros(3), hand_down(0.0)), Pose(np.zeros(3), hand_down(0.1))
    np.testing.assert_allclose(action_towards(hand, target, -1.0), [0, 0, 0, 0, 0, 0.2, -1], atol=1e-6)


def test_a_limited_action_keeps_its_direction_its_turn_and_its_grip():
    action = np.array([0.8, -0.4, 0.2, 0.5, 0.0, 0.1, 1.0], np.float32)
    limited = limit_speed(action, 0.4)
    np.testing.assert_allclose(limited, [0.4, -0.2, 0.1, 0.5, 0.0, 0.1, 1.0], rtol=1e-6)
    assert limited.dtype == np.float32
    np.testing.assert_array_equal(limit_speed(action, 0.9), action)
