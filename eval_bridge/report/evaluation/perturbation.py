"""The report's section on what was perturbed."""

from typing import NamedTuple

from eval_bridge.evaluation.perturbation_summary import CaseGroup, PerturbationSummary
from eval_bridge.evaluation.summary import Summary
from eval_bridge.report.charts import Bar
from eval_bridge.simulators.perturbation.choice import KIND_TITLES, read_perturbation


class PerturbationSection(NamedTuple):
    """What the section shows: a sentence on the kind, the figures, and success by level and by form of the cases."""

    title: str
    perturbation: PerturbationSummary
    by_level: list[Bar]
    by_form: list[Bar]


def perturbation_section(summary: Summary) -> PerturbationSection | None:
    """The section; None where nothing was perturbed, or there is no episode."""
    perturbation = summary.perturbation
    asked = read_perturbation(perturbation.name if perturbation else "")
    if perturbation is None or asked is None or not perturbation.by_form:
        return None
    return PerturbationSection(
        title=KIND_TITLES[asked.kind],
        perturbation=perturbation,
        by_level=list(map(_bar, perturbation.by_level)),
        by_form=list(map(_bar, perturbation.by_form)),
    )


def _bar(group: CaseGroup) -> Bar:
    return Bar(
        label=group.name,
        text=f"{group.successes}/{group.episodes}",
        percent=100 * group.success_rate,
        marks=tuple(100 * bound for bound in group.interval),
    )
