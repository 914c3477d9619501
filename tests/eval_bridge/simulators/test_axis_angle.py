"""The axis-angle of the published policies, whose angle is not brought below pi."""

import numpy as np

from eval_bridge.simulators.axis_angle import axis_angle_from_quaternion


def test_quarter_turn_about_z():
    quaternion = np.array([0.0, 0.0, np.sin(np.pi / 4), np.cos(np.pi / 4)])
    np.testing.assert_allclose(axis_angle_from_quaternion(quaternion), [0, 0, np.pi / 2])


def test_negative_w_gives_an_angle_beyond_pi():
    """The quaternion of the same quarter turn with its sign changed: a three-quarter turn the other way about."""
    quaternion = -np.array([0.0, 0.0, np.sin(np.pi / 4), np.cos(np.pi / 4)])
    np.testing.assert_allclose(axis_angle_from_quaternion(quaternion), [0, 0, -3 * np.pi / 2])


def test_no_rotation_is_zero():
    np.testing.assert_array_equal(axis_angle_from_quaternion(np.array([0.0, 0.0, 0.0, 1.0])), np.zeros(3))
    np.testing.assert_array_equal(axis_angle_from_quaternion(np.array([0.0, 0.0, 0.0, -1.0])), np.zeros(3))


def test_w_rounded_beyond_one_is_no_rotation():
    np.testing.assert_array_equal(axis_angle_from_quaternion(np.array([0.0, 0.0, 0.0, 1.0 + 1e-12])), np.zeros(3))
