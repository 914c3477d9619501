"""The report's section on time to success."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from eval_bridge.analysis.time_to_success import TimeToSuccess, measure_time_to_success
from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.evaluation.summary import Summary
from eval_bridge.report.charts import Strip, Tick, band, stairs, ticks
from rsd_jax.actions.conventions import LIBERO


class TimeSection(NamedTuple):
    """What the section shows.

    Attributes:
        measured: the distribution. seconds: of the robot, for a step.
        curve, area: SVG paths of the share not solved and of its interval, in percent of the plot.
        axis: ticks of the steps, up to the limit.
        tasks: the steps at which each task's episodes succeeded.
    """

    measured: TimeToSuccess
    seconds: float
    curve: str
    area: str
    axis: tuple[Tick, ...]
    tasks: list[Strip]


def time_section(summary: Summary, records: Sequence[EpisodeRecord]) -> TimeSection | None:
    """The section; None where no episode succeeded."""
    if not summary.successes:
        return None
    measured = measure_time_to_success(
        [record.rollout.steps for record in records], [record.rollout.success for record in records]
    )
    limit = summary.step_limit
    xs = [0.0, *(100 * float(step) / limit for step in measured.steps)]
    return TimeSection(
        measured=measured,
        seconds=1 / LIBERO.control_rate,
        curve=stairs(xs, [0.0, *(100 - 100 * float(share) for share in measured.unsolved)]),
        area=band(
            xs,
            [0.0, *(100 - 100 * interval.low for interval in measured.intervals)],
            [0.0, *(100 - 100 * interval.high for interval in measured.intervals)],
        ),
        axis=ticks(limit),
        tasks=[_strip(summary, records, index) for index in sorted({record.task_index for record in records})],
    )


def _strip(summary: Summary, records: Sequence[EpisodeRecord], index: int) -> Strip:
    own = [record for record in records if record.task_index == index]
    steps = [record.rollout.steps for record in own if record.rollout.success]
    return Strip(
        label=own[0].task.replace("_", " "),
        text=f"{median(steps):.0f}" if steps else "never",
        percents=tuple(100 * step / summary.step_limit for step in steps),
        tone="good",
        note=f"task {index}",
    )
