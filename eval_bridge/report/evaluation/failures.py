"""The report's section on failures, grouped by the phase in which they happened."""

from collections.abc import Sequence
from typing import NamedTuple

from eval_bridge.analysis.failure_phases import GoalFailure, Phase
from eval_bridge.analysis.suite import SuiteAnalysis
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.report.charts import Bar
from eval_bridge.report.evaluation.films import Film

_EXPLANATIONS = {
    Phase.UNKNOWN: "The trace does not tell more.",
    Phase.NOT_REACHED: "What had to be opened, closed or turned did not move.",
    Phase.NO_GRASP: "The item was never in the hand.",
    Phase.NOT_ENOUGH: "What had to be opened, closed or turned moved, and not far enough.",
    Phase.DROPPED: "The item slipped out of the closed hand, or was let go in the air.",
    Phase.MISPLACED: "The item was put down, but not where it belongs.",
    Phase.TIMED_OUT: "The steps were used up while the item was in the hand, or what had to move still moved.",
    Phase.LOST: "The condition held once and did not hold at the end.",
}


class FailedEpisode(NamedTuple):
    """An episode, the goal that got furthest, the others that failed, and its video if it was filmed."""

    record: EpisodeRecord
    failure: GoalFailure
    others: tuple[GoalFailure, ...]
    film: Film | None


class PhaseGroup(NamedTuple):
    """All episodes that failed in one phase."""

    phase: Phase
    explanation: str
    episodes: list[FailedEpisode]

    @property
    def films(self) -> list[FailedEpisode]:
        """Those that were filmed."""
        return [episode for episode in self.episodes if episode.film]


class Failures(NamedTuple):
    """Groups, the largest first, and their sizes as bars."""

    groups: list[PhaseGroup]
    bars: list[Bar]

    @property
    def has_films(self) -> bool:
        """Whether any failure was filmed."""
        return any(group.films for group in self.groups)


def failure_section(
    analysis: SuiteAnalysis | None, records: Sequence[EpisodeRecord], films: Sequence[Film]
) -> Failures | None:
    """The section; None without traces or without failures."""
    phases = analysis.phases() if analysis else {}
    if analysis is None or not phases:
        return None
    record_of = {EpisodeId(record.task_index, record.episode): record for record in records}
    film_of = {EpisodeId(film.record.task_index, film.record.episode): film for film in films}
    groups = []
    for phase, keys in phases.items():
        episodes = []
        for key in keys:
            failure, every = analysis.episodes[key].failure, analysis.episodes[key].failures
            assert failure is not None, "phases are those of failures"
            others = tuple(other for other in every if other != failure)
            episodes.append(FailedEpisode(record_of[key], failure, others, film_of.get(key)))
        groups.append(PhaseGroup(phase, _EXPLANATIONS[phase], episodes))
    total, largest = sum(len(group.episodes) for group in groups), len(groups[0].episodes)
    bars = [
        Bar(
            group.phase.value,
            str(len(group.episodes)),
            100 * len(group.episodes) / largest,
            f"{100 * len(group.episodes) / total:.0f} %",
        )
        for group in groups
    ]
    return Failures(groups, bars)
