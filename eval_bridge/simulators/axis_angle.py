"""Axis-angle of a quaternion, as the published LIBERO policies were trained with it."""

import numpy as np
from numpy.typing import NDArray


def axis_angle_from_quaternion(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation vector of a unit quaternion, with the angle in [0, 2 pi).

    A quaternion and its negative are the same rotation; the usual conversion picks the one with ``w >= 0``. This one
    does not (robosuite's ``quat2axisangle``), and a policy that was trained so must be evaluated so: flipping the
    sign moves the rotation vector by a full turn.

    Args:
        quaternion: ``[4]``, scalar last (x, y, z, w).

    Returns:
        ``[3]``, axis times angle in radians; zero for no rotation.
    """
    w = float(np.clip(quaternion[3], -1.0, 1.0))
    sine_of_half = np.sqrt(1.0 - w * w)
    if np.isclose(sine_of_half, 0.0):
        return np.zeros(3)
    return quaternion[:3] * 2.0 * np.arccos(w) / sine_of_half
