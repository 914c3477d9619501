"""The report's section on time that passes while the policy computes."""

from collections.abc import Sequence
from typing import NamedTuple

from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.evaluation.summary import Summary
from eval_bridge.evaluation.timing_summary import TimingSummary
from eval_bridge.report.charts import Bar, Column
from eval_bridge.report.titles import EXECUTION_TITLES
from rsd_jax.actions.conventions import LIBERO


class TimingSection(NamedTuple):
    """What the section shows.

    Attributes:
        title: how chunks were executed. delay: steps that calls took, in words.
        timing: the figures. step_ms: of a control step, in milliseconds.
        ages: actions by their age. held: share of held steps by task.
    """

    title: str
    delay: str
    timing: TimingSummary
    step_ms: float
    ages: list[Column]
    held: list[Bar]


def timing_section(summary: Summary, records: Sequence[EpisodeRecord]) -> TimingSection | None:
    """The section; None where the clock stood still, or there is no episode."""
    timing = summary.timing
    if timing is None or not records:
        return None
    most = max(timing.action_ages, default=1)
    return TimingSection(
        title=EXECUTION_TITLES[timing.execution],
        delay=_describe_delay(timing),
        timing=timing,
        step_ms=1000 / LIBERO.control_rate,
        ages=[Column(str(age), f"{count:,}", 100 * count / most) for age, count in enumerate(timing.action_ages)],
        held=[_held(index, records) for index in sorted({record.task_index for record in records})],
    )


def _describe_delay(timing: TimingSummary) -> str:
    if isinstance(timing.delay, int):
        return f"{timing.delay} at every call"
    mean = "" if timing.delay_mean is None else f", {timing.delay_mean:.2f} on average"
    return f"drawn from {timing.delay} ({timing.source}){mean}"


def _held(index: int, records: Sequence[EpisodeRecord]) -> Bar:
    own = [record for record in records if record.task_index == index]
    steps = sum(record.rollout.steps for record in own)
    holds = sum(record.rollout.timing.holds for record in own if record.rollout.timing)
    return Bar(own[0].task.replace("_", " "), f"{holds:,}", 100 * holds / steps, f"task {index}, of {steps:,} steps")
