"""A perturbed evaluation in numbers, computed from its log alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eval_bridge.evaluation.episode_log import LogContents
from eval_bridge.evaluation.folder import PERTURBATION
from eval_bridge.simulators.perturbation.cases import Case
from eval_bridge.simulators.perturbation.choice import read_perturbation
from eval_bridge.statistics.intervals import Interval, wilson_interval


@dataclass(frozen=True)
class CaseGroup:
    """Episodes whose cases have a level or a form in common. `interval`: Wilson, 95 %."""

    name: str
    episodes: int
    successes: int
    success_rate: float
    interval: Interval


@dataclass(frozen=True)
class PerturbationSummary:
    """What was perturbed, and success by kinds of cases.

    Attributes:
        name: as configurations have it. in_words: for a reader.
        cases: different ones that episodes had.
        by_level: success by LIBERO-Plus's level. by_form: by `Case.form`.
    """

    name: str
    in_words: str
    cases: int
    by_level: tuple[CaseGroup, ...]
    by_form: tuple[CaseGroup, ...]


def summarise_perturbation(log: LogContents) -> PerturbationSummary | None:
    """What the episodes of a log show by their cases; None where nothing was perturbed."""
    perturbation = read_perturbation((log.identity or {}).get(PERTURBATION, ""))
    if perturbation is None:
        return None
    told = [
        (record.task_index, record.case, record.rollout.success) for record in log.episodes.values() if record.case
    ]
    outcomes = [(case, success) for _, case, success in told]
    return PerturbationSummary(
        name=perturbation.name,
        in_words=perturbation.in_words,
        cases=len({(task, case) for task, case, _ in told}),
        by_level=_grouped(outcomes, lambda case: f"level {case.level}"),
        by_form=_grouped(outcomes, lambda case: case.form),
    )


def describe_perturbation(perturbation: PerturbationSummary) -> str:
    """The line of a terminal that tells what was perturbed."""
    groups = ", ".join(f"{group.name} {group.successes}/{group.episodes}" for group in perturbation.by_form)
    return f"perturbed   {perturbation.in_words}: {groups}"


def _grouped(outcomes: Sequence[tuple[Case, bool]], name: Callable[[Case], str]) -> tuple[CaseGroup, ...]:
    groups: dict[str, list[bool]] = {}
    for case, success in outcomes:
        groups.setdefault(name(case), []).append(success)
    return tuple(
        CaseGroup(each, len(found), sum(found), sum(found) / len(found), wilson_interval(sum(found), len(found)))
        for each, found in sorted(groups.items())
    )
