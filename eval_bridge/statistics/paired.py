"""Statistics of two success rates on the same episodes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.statistics.intervals import Interval

RESAMPLES = 10_000


class PairedCounts(NamedTuple):
    """Common episodes by who solved them: the 2 x 2 table that McNemar's test is about."""

    both: int
    first_only: int
    second_only: int
    neither: int

    @property
    def episodes(self) -> int:
        """All common episodes."""
        return sum(self)

    @property
    def first_successes(self) -> int:
        """Solved by the first."""
        return self.both + self.first_only

    @property
    def second_successes(self) -> int:
        """Solved by the second."""
        return self.both + self.second_only

    @property
    def difference(self) -> float:
        """Success rate of the second minus that of the first."""
        return (self.second_only - self.first_only) / self.episodes


def mcnemar_p_value(first_only: int, second_only: int) -> float:
    """Exact two-sided p-value of McNemar's test (1947): are both discordant outcomes equally likely?

    The smaller count, doubled tail of a binomial with n = `first_only` + `second_only` and p = 1/2; 1 without any.
    """
    discordant, smaller = first_only + second_only, min(first_only, second_only)
    tail = sum(math.comb(discordant, count) for count in range(smaller + 1))
    return min(1.0, 2 * tail / 2**discordant)


def bootstrap_difference(
    per_task: Sequence[PairedCounts], *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = 0.95
) -> Interval:
    """Percentile bootstrap interval of the difference of success rates, second minus first (Efron 1979).

    Pairs stay together, and episodes are drawn with replacement within each task: the tasks are given, their starts
    are the sample. A pair's difference is -1, 0 or 1, so a resample of a task is one multinomial draw. Without
    discordant pairs the interval has no width, which says that nothing was seen to vary and not that nothing would.

    Args:
        per_task: each task's counts.
        seed: of NumPy's default generator.
        resamples: how many.
        confidence: two-sided coverage.
    """
    generator = np.random.default_rng(seed)
    total = np.zeros(resamples, np.int64)
    for counts in per_task:
        same = counts.both + counts.neither
        shares = np.array([counts.second_only, counts.first_only, same]) / counts.episodes
        drawn = generator.multinomial(counts.episodes, shares, size=resamples)
        total += drawn[:, 0] - drawn[:, 1]
    rates: NDArray[np.float64] = total / sum(counts.episodes for counts in per_task)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(rates, [tail, 100 - tail])
    return Interval(float(low), float(high))
