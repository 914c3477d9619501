"""What is told from the traces of many episodes together."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eval_bridge.analysis.episode import EpisodeAnalysis, analyse
from eval_bridge.analysis.failure_phases import Phase
from eval_bridge.analysis.gripper_events import Outcome
from eval_bridge.episodes.trace import load_trace
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.records import EpisodeRecord


class Spread(NamedTuple):
    """Median of a measure over episodes, and its 10th and 90th percentile."""

    low: float
    median: float
    high: float


class SuiteAnalysis(NamedTuple):
    """The episodes of an evaluation that have traces; not empty."""

    episodes: Mapping[EpisodeId, EpisodeAnalysis]

    def spread(self, measure: Callable[[EpisodeAnalysis], float | None], success: bool | None = None) -> Spread | None:
        """Spread of a measure over all episodes, or the successes or failures alone; None where nothing has it."""
        chosen = [each for each in self.episodes.values() if success is None or each.success == success]
        values = [value for value in map(measure, chosen) if value is not None]
        return Spread(*(float(value) for value in np.percentile(values, [10, 50, 90]))) if values else None

    def jump_by_position(self) -> tuple[float | None, ...]:
        """Mean over the episodes of the command's jump at each place of a chunk; the first place is the border."""
        rows = [each.borders.jump_by_position for each in self.episodes.values()]
        longest = max(map(len, rows))
        columns = [[row[place] for row in rows if place < len(row)] for place in range(longest)]
        return tuple(_mean(value for value in column if value is not None) for column in columns)

    def closings(self) -> dict[Outcome, int]:
        """Closings of the gripper in all episodes, by what came of them."""
        counts = Counter(event.outcome for each in self.episodes.values() for event in each.gripper)
        return {outcome: counts[outcome] for outcome in Outcome if outcome is not Outcome.OPENED}

    def phases(self) -> dict[Phase, tuple[EpisodeId, ...]]:
        """Failed episodes by the phase in which they failed, the most frequent phase first."""
        found: dict[Phase, list[EpisodeId]] = {}
        for key in sorted(self.episodes):
            failure = self.episodes[key].failure
            if failure is not None:
                found.setdefault(failure.phase, []).append(key)
        ordered = sorted(found.items(), key=lambda item: -len(item[1]))
        return {phase: tuple(keys) for phase, keys in ordered}


def analyse_traces(folder: Path, records: Iterable[EpisodeRecord]) -> SuiteAnalysis | None:
    """Analyses the traces of `records`; None where none of them has one.

    Args:
        folder: the evaluation's, that the records' trace paths are relative to.
        records: of finished episodes; those whose trace was deleted are left out.

    Raises:
        TraceError: a trace is damaged.
    """
    episodes: dict[EpisodeId, EpisodeAnalysis] = {}
    for record in records:
        if record.trace and (folder / record.trace).is_file():
            analysis = analyse(load_trace(folder / record.trace), record.rollout.success)
            episodes[EpisodeId(record.task_index, record.episode)] = analysis
    return SuiteAnalysis(episodes) if episodes else None


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(np.mean(found)) if found else None
