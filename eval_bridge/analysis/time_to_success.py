"""How long episodes take to succeed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.statistics.intervals import Interval, wilson_interval


class TimeToSuccess(NamedTuple):
    """Distribution of the step at which episodes succeed.

    All failures are cut off at the same step limit, so the Kaplan-Meier estimate of the share not yet solved is the
    plain share, and its 95 % interval is Wilson's.

    Attributes:
        steps: where the curve falls, ascending and each once, ``int [S]``.
        unsolved: share of all episodes not yet solved after each of them, ``float [S]``.
        intervals: of these shares.
        quantiles: steps by which 10, 50 and 90 % of the *successful* episodes had succeeded; None without any.
        median: steps by which half of *all* episodes had succeeded; None where fewer did.
    """

    steps: NDArray[np.int64]
    unsolved: NDArray[np.float64]
    intervals: tuple[Interval, ...]
    quantiles: tuple[float, float, float] | None
    median: int | None


def measure_time_to_success(steps: Sequence[int], successes: Sequence[bool]) -> TimeToSuccess:
    """Time to success of episodes that took `steps` each and succeeded or not.

    Raises:
        ValueError: the arguments have different lengths or are empty.
    """
    if len(steps) != len(successes) or not steps:
        raise ValueError(f"{len(steps)} steps and {len(successes)} successes; give one of each for every episode.")
    total = len(steps)
    solved = np.sort(np.asarray(steps, np.int64)[np.asarray(successes, bool)])
    falls, counts = np.unique(solved, return_counts=True)
    left = total - np.cumsum(counts)
    median_index = np.flatnonzero(2 * left <= total)
    low, middle, high = (float(value) for value in np.percentile(solved, [10, 50, 90])) if solved.size else (0, 0, 0)
    return TimeToSuccess(
        steps=falls,
        unsolved=left / total,
        intervals=tuple(wilson_interval(int(count), total) for count in left),
        quantiles=(low, middle, high) if solved.size else None,
        median=int(falls[median_index[0]]) if median_index.size else None,
    )
