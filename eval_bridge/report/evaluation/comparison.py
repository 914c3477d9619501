"""A comparison of two evaluations as a page of its own, and as a section of the report."""

from pathlib import Path
from typing import NamedTuple

from eval_bridge.evaluation.comparison import Compared, Comparison
from eval_bridge.report.charts import Tick, round_step
from eval_bridge.report.page import flatten, render_template
from eval_bridge.report.titles import suite_title
from rsd_jax.atomic_files import write_atomically

_NARROWEST = 10.0  # Percentage points on either side of the axis of differences.


class Dumbbell(NamedTuple):
    """A task: both success rates in percent, its number of common episodes, and who alone solved how many."""

    label: str
    note: str
    first: float
    second: float
    text: str


class ComparisonView(NamedTuple):
    """A comparison in the form in which templates show it.

    Attributes:
        comparison: all figures.
        verdict: a sentence that says what follows from them.
        low, difference, high: places on the axis of differences, percent of its width. ticks: that axis.
        tasks: a row for each.
        identities: name and both values of what differs.
        speed_up: latency of the first over that of the second; None unless both were timed on the same device.
    """

    comparison: Comparison
    verdict: str
    low: float
    difference: float
    high: float
    ticks: tuple[Tick, ...]
    tasks: list[Dumbbell]
    identities: list[tuple[str, str, str]]
    speed_up: float | None


def comparison_section(comparison: Comparison) -> ComparisonView:
    """The section of one comparison."""
    widest = 100 * max(abs(comparison.interval.low), abs(comparison.interval.high))
    step = round_step(max(widest, _NARROWEST) / 2)
    half = step * max(1, -(-max(widest, _NARROWEST) // step))
    return ComparisonView(
        comparison=comparison,
        verdict=_verdict(comparison),
        low=_place(comparison.interval.low, half),
        difference=_place(comparison.difference, half),
        high=_place(comparison.interval.high, half),
        ticks=_ticks(half, step),
        tasks=_dumbbells(comparison),
        identities=_identities(comparison.first, comparison.second),
        speed_up=_speed_up(comparison.first, comparison.second),
    )


def write_comparison_page(path: Path, comparison: Comparison) -> None:
    """Writes a comparison as one HTML file, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, render_comparison_page(comparison))


def render_comparison_page(comparison: Comparison) -> str:
    """The page's HTML."""
    view = comparison_section(comparison)
    return render_template("comparison.html", {"view": view, "suite_title": suite_title(comparison.suite)})


def _verdict(comparison: Comparison) -> str:
    first, second, counts = comparison.first.name, comparison.second.name, comparison.counts
    discordant = counts.first_only + counts.second_only
    if not discordant:
        return f"Both solve exactly the same {counts.both} of {counts.episodes} episodes."
    better, worse = (second, first) if comparison.difference > 0 else (first, second)
    if comparison.p_value >= 0.05:
        return (
            f"They differ on {discordant} of {counts.episodes} episodes, which does not show that either is better: "
            f"if both were equally good, a split at least as uneven would come up with probability "
            f"{comparison.p_value:.2f}."
        )
    return (
        f"{better} is better than {worse}: if both were equally good, a split of the {discordant} episodes on which "
        f"they differ as uneven as this would come up with probability {comparison.p_value:.2g}."
    )


def _place(difference: float, half: float) -> float:
    return 50 + 50 * (100 * difference) / half


def _ticks(half: float, step: float) -> tuple[Tick, ...]:
    count = round(half / step)
    return tuple(
        Tick(50 + 50 * index / count, f"{index * step:+g}" if index else "0") for index in range(-count, count + 1)
    )


def _dumbbells(comparison: Comparison) -> list[Dumbbell]:
    return [
        Dumbbell(
            label=task.task.replace("_", " "),
            note=f"task {task.task_index}",
            first=100 * task.counts.first_successes / task.counts.episodes,
            second=100 * task.counts.second_successes / task.counts.episodes,
            text=f"{task.counts.first_successes} \N{RIGHTWARDS ARROW} {task.counts.second_successes} "
            f"of {task.counts.episodes}",
        )
        for task in comparison.per_task
    ]


def _identities(first: Compared, second: Compared) -> list[tuple[str, str, str]]:
    own, other = (dict(flatten(each.identity)) for each in (first, second))
    names = [name for name in dict.fromkeys([*own, *other]) if own.get(name) != other.get(name)]
    return [(name, own.get(name, "\N{EN DASH}"), other.get(name, "\N{EN DASH}")) for name in names]


def _speed_up(first: Compared, second: Compared) -> float | None:
    if first.chunk_ms is None or second.chunk_ms is None or first.device != second.device:
        return None
    return first.chunk_ms / second.chunk_ms
