"""Confidence intervals of a success rate."""

import math
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """Lower and upper bound of a proportion, both in [0, 1]."""

    low: float
    high: float


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Score interval of a binomial proportion (Wilson 1927, without continuity correction).

    Unlike the normal approximation it stays inside [0, 1] and has a width at 0 and at `trials` successes.

    Args:
        successes: how many trials succeeded.
        trials: how many there were. Without any, nothing is known: the interval is [0, 1].
        confidence: two-sided coverage, for example 0.95.

    Raises:
        ValueError: unless 0 <= successes <= trials and 0 < confidence < 1.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes={successes} must lie between 0 and trials={trials}.")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence={confidence} must lie between 0 and 1; 0.95 is usual.")
    if trials == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / trials
    shrink = 1.0 / (1.0 + z * z / trials)
    centre = shrink * (rate + z * z / (2 * trials))
    half_width = shrink * z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else centre - half_width
    high = 1.0 if successes == trials else centre + half_width
    return Interval(low, high)
