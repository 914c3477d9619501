"""Evaluations of several suites by one policy, taken together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from eval_bridge.evidence.fine_grained import Pooled, pool
from eval_bridge.evidence.suite_rows import EvaluationRow
from eval_bridge.statistics.intervals import Interval, wilson_interval


@dataclass(frozen=True)
class Together:
    """One decoder's evaluations of all suites of a run.

    Attributes:
        decoder: by which decoder. settings: of it, as in the rows.
        seed: of the training.
        suites: in the order of their rows.
        average: mean of the suites' success rates.
        episodes, successes, interval: over all suites; Wilson, 95 %.
        fine_grained: the fine-grained tasks of all of them; None where there are none.
    """

    decoder: str
    settings: str
    seed: int
    suites: tuple[str, ...]
    average: float
    episodes: int
    successes: int
    interval: Interval
    fine_grained: Pooled | None

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return asdict(self)


def take_together(rows: Sequence[EvaluationRow]) -> list[Together]:
    """The decoders that were evaluated on every suite of one run's `rows`, in the order of these.

    A decoder's settings may differ between suites, as a fitted threshold does; then none are told.
    """
    suites = tuple(dict.fromkeys(row.suite for row in rows))
    found = []
    for decoder in dict.fromkeys(row.decoder for row in rows):
        own = [row for row in rows if row.decoder == decoder]
        if tuple(row.suite for row in own) == suites:
            found.append(_together(own, suites))
    return found


def _together(rows: Sequence[EvaluationRow], suites: tuple[str, ...]) -> Together:
    episodes, successes = sum(row.episodes for row in rows), sum(row.successes for row in rows)
    settings = {row.settings for row in rows}
    return Together(
        decoder=rows[0].decoder,
        settings=rows[0].settings if len(settings) == 1 else "",
        seed=rows[0].seed,
        suites=suites,
        average=fmean(row.success_rate for row in rows),
        episodes=episodes,
        successes=successes,
        interval=wilson_interval(successes, episodes),
        fine_grained=_pool([row.fine_grained for row in rows if row.fine_grained is not None]),
    )


def _pool(pools: Sequence[Pooled]) -> Pooled | None:
    if not pools:
        return None
    tasks = [task for each in pools for task in each.tasks]
    return pool(tasks, [(each.episodes, each.successes) for each in pools])
