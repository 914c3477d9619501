"""A threshold whose expected loss on new episodes is bounded, from the losses of episodes at hand."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.statistics.intervals import Interval


class ControlledRisk(NamedTuple):
    """What a threshold was chosen by.

    Attributes:
        threshold: the chosen one; None where even the strictest breaks the bound.
        bound: on the expected loss of a new episode at that threshold.
        losses: of the episodes at that threshold, ``[N]``.
    """

    threshold: float | None
    bound: float
    losses: NDArray[np.float64]


def control_risk(thresholds: Sequence[float], losses: NDArray[np.floating[Any]], alpha: float) -> ControlledRisk:
    """The most permissive threshold whose bound, and that of all stricter ones, is at most `alpha`.

    Conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814, equation 4): where N episodes and a new one are
    exchangeable, and the loss of each, at most 1, grows with the threshold, the expected loss of the new one at the
    chosen threshold is at most ``N / (N + 1) * mean loss + 1 / (N + 1)`` there, which is at most `alpha`.

    Args:
        thresholds: rising: a larger one lets more happen.
        losses: ``[G, N]``, of each threshold and episode, from 0 to 1.
        alpha: the expected loss that is allowed.

    Raises:
        ValueError: no episode, thresholds that do not rise, losses of another shape or outside of 0 to 1, or an
            `alpha` that is not between 0 and 1.
    """
    losses = np.asarray(losses, np.float64)
    if losses.ndim != 2 or losses.shape[0] != len(thresholds) or losses.shape[1] < 1:
        raise ValueError(f"losses has shape {losses.shape}; expected [{len(thresholds)}, N] with N >= 1 episodes")
    if any(second <= first for first, second in zip(thresholds, list(thresholds)[1:], strict=False)):
        raise ValueError(f"thresholds={list(thresholds)} must rise")
    if losses.min() < 0 or losses.max() > 1:
        raise ValueError(f"losses lie from {losses.min():g} to {losses.max():g}; they must lie from 0 to 1")
    require_risk(alpha)
    count = losses.shape[1]
    bounds = (count * losses.mean(axis=1) + 1) / (count + 1)
    allowed = int(np.cumprod(bounds <= alpha).sum())
    if not allowed:
        return ControlledRisk(None, float(bounds[0]), losses[0])
    return ControlledRisk(float(thresholds[allowed - 1]), float(bounds[allowed - 1]), losses[allowed - 1])


def require_risk(alpha: float) -> None:
    """Refuses what cannot be an expected loss that is allowed.

    Raises:
        ValueError: `alpha` is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha} must lie between 0 and 1")


def mean_interval(values: NDArray[np.floating[Any]], confidence: float = 0.95) -> Interval:
    """Interval of the mean of episodes' losses by the central limit theorem, cut to 0 .. 1.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"values has {len(values)} entries; an interval needs at least 2")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    mean, half_width = float(np.mean(values)), z * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(max(0.0, mean - half_width), min(1.0, mean + half_width))
