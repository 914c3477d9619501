"""How smoothly the robot was commanded and how smoothly it moved."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.trace import EpisodeTrace
from rsd_jax.actions.conventions import LIBERO

_FEWEST_STEPS = 4  # A third difference needs four values.


class Smoothness(NamedTuple):
    """Jerk of an episode; lower is smoother, except for the last one.

    Attributes:
        translation_jerk: mean length of the command's third difference times the cubed control rate, its three
            translations, in command units per second cubed. Compare only policies of the same controller.
        rotation_jerk: likewise for its three rotations.
        hand_jerk_mean: mean length of the end effector's jerk, m/s^3.
        hand_jerk_p95: its 95th percentile, m/s^3.
        log_dimensionless_jerk: the same motion without units, see `log_dimensionless_jerk`; higher is smoother. None
            for a hand that stood still.
    """

    translation_jerk: float
    rotation_jerk: float
    hand_jerk_mean: float
    hand_jerk_p95: float
    log_dimensionless_jerk: float | None


def measure_smoothness(trace: EpisodeTrace, rate: float = LIBERO.control_rate) -> Smoothness | None:
    """Smoothness of an episode at `rate` steps a second; None for one of fewer than four steps.

    The gripper's command switches by design and is left out.
    """
    if len(trace.actions) < _FEWEST_STEPS:
        return None
    hand = jerk(trace.eef_positions, rate)
    return Smoothness(
        translation_jerk=float(jerk(trace.actions[:, 0:3], rate).mean()),
        rotation_jerk=float(jerk(trace.actions[:, 3:6], rate).mean()),
        hand_jerk_mean=float(hand.mean()),
        hand_jerk_p95=float(np.percentile(hand, 95)),
        log_dimensionless_jerk=log_dimensionless_jerk(trace.eef_positions, rate),
    )


def jerk(values: NDArray[np.floating], rate: float) -> NDArray[np.float64]:
    """Length of the third difference of a signal ``[S, D]`` times ``rate ** 3``, ``float64 [S - 3]``."""
    third = np.diff(values.astype(np.float64), n=3, axis=0) * rate**3
    return np.asarray(np.linalg.norm(third, axis=1), np.float64)


def log_dimensionless_jerk(positions: NDArray[np.floating], rate: float) -> float | None:
    """``-ln(D^3 / v_peak^2 * integral of |jerk|^2 dt)`` of a path ``[S, 3]`` that takes D seconds.

    Independent of how far and how fast the motion is; a straight reach of minimum jerk has -5.3. An episode is several
    reaches and pauses, so compare episodes of one task. Balasubramanian et al., "On the analysis of movement
    smoothness", J. NeuroEngineering and Rehabilitation 12:112, 2015, with the length of the jerk vector in place of
    the second derivative of speed.

    Returns:
        The measure, or None for a path without motion or at constant velocity, whose logarithm does not exist.
    """
    path = positions.astype(np.float64)
    peak_speed = float(np.linalg.norm(np.diff(path, axis=0), axis=1).max()) * rate
    squared_jerk = float(np.sum(jerk(path, rate) ** 2)) / rate
    if peak_speed == 0.0 or squared_jerk == 0.0:
        return None
    seconds = (len(path) - 1) / rate
    return -float(np.log(seconds**3 / peak_speed**2 * squared_jerk))
