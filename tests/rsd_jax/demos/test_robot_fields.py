import numpy as np
import pytest

from rsd_jax.demos.robot_fields import arm_joints, axis_angle_of, quaternion_of


@pytest.mark.parametrize(
    ("axis_angle", "quaternion"),
    [
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]),
        ([np.pi, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]),
        ([0.0, 0.0, np.pi / 2], [0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)]),
        ([0.0, 3 * np.pi / 2, 0.0], [0.0, np.sqrt(0.5), 0.0, -np.sqrt(0.5)]),  # w < 0 is kept
    ],
)
def test_known_rotations_both_ways(axis_angle, quaternion):
    np.testing.assert_allclose(quaternion_of(np.array([axis_angle])), [quaternion], atol=1e-12)
    np.testing.assert_allclose(axis_angle_of(np.array([quaternion])), [axis_angle], atol=1e-12)


def test_arm_joints_follow_the_time():
    states = np.arange(20.0).reshape(2, 10)
    np.testing.assert_array_equal(arm_joints(states), [[1, 2, 3, 4, 5, 6, 7], [11, 12, 13, 14, 15, 16, 17]])
