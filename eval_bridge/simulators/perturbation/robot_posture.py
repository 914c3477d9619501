"""The postures of the arm that LIBERO-Plus's robot starts from.

There are 500 of them, numbered from 1: a hundred each at 0.1, 0.2, 0.3, 0.4 and 0.5 radians from LIBERO's home
posture, in random directions of the space of seven joints. LIBERO-Plus drew them once, from NumPy's generator with
seed 42, and keeps eight decimals. It resets the robot there and then sets the task's initial state, which puts the
arm's joints back: what stays are the controller's references. While things settle the hand turns to that of its
orientation; the elbow is drawn to that of the joints for the whole episode. `simulators.libero.reset.begin`
does the same, and the first frames of LIBERO-Plus's own films show it.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

HOME = np.array([0.0, -0.161037389, 0.0, -2.44459747, 0.0, 2.2267522, np.pi / 4])
"""Joint angles of LIBERO's Panda at rest, radians."""

DISTANCES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Radians."""

_EACH, _SEED, _DECIMALS = 100, 42, 8


def posture(number: int) -> NDArray[np.float64]:
    """Joint angles of a posture, radians, ``[7]``.

    Raises:
        ValueError: there is no such posture.
    """
    if not 1 <= number <= len(_postures()):
        raise ValueError(f"posture {number} does not exist; LIBERO-Plus numbers them from 1 to {len(_postures())}")
    return _postures()[number - 1].copy()


@cache
def _postures() -> NDArray[np.float64]:
    directions = np.random.RandomState(_SEED).randn(len(DISTANCES) * _EACH, len(HOME))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    postures: NDArray[np.float64] = HOME + directions * np.repeat(DISTANCES, _EACH)[:, None]
    return postures.round(_DECIMALS)
