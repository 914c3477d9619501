"""The robot's fields in LIBERO's demonstration files, derived from proprioception and simulator states."""

import numpy as np
from numpy.typing import NDArray

ARM_JOINTS = 7


def quaternion_of(axis_angle: NDArray[np.floating]) -> NDArray[np.float64]:
    """Quaternion (x, y, z, w) ``[T, 4]`` of axis-angle vectors ``[T, 3]`` whose angle lies in [0, 2 pi).

    The inverse of robosuite's ``quat2axisangle``, which keeps the sign of w: an angle above pi gives w < 0.
    """
    vector = np.asarray(axis_angle, np.float64)
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    axis = vector / np.where(angle > 0, angle, 1.0)
    return np.concatenate([axis * np.sin(angle / 2), np.cos(angle / 2)], axis=-1)


def axis_angle_of(quaternion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Axis-angle vectors ``[T, 3]`` of quaternions (x, y, z, w) ``[T, 4]``, angles in [0, 2 pi).

    The same as robosuite's ``quat2axisangle``: a negative w is not flipped, for policies are trained on such angles.
    """
    quaternion = np.asarray(quaternion, np.float64)
    w = np.clip(quaternion[..., 3:], -1.0, 1.0)
    sine = np.sqrt(1.0 - w * w)
    axis = quaternion[..., :3] / np.where(sine > 0, sine, 1.0)
    return np.where(sine > 0, axis * 2.0 * np.arccos(w), 0.0)


def arm_joints(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joint angles (radians) ``[T, 7]`` of the arm: in a flattened state the robot's joints follow the time."""
    return states[:, 1 : 1 + ARM_JOINTS]
