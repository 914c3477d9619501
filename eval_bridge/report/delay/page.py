"""The page of success over delay: a plot for each suite and decoder, and all figures, in one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.report.charts import Bar, Tick
from eval_bridge.report.delay.table import COLUMNS, cells, delay_text
from eval_bridge.report.page import render_template
from eval_bridge.report.titles import DECODER_TITLES, EXECUTION_TITLES, suite_title
from rsd_jax.atomic_files import write_atomically

Row = Mapping[str, Any]

_TONES = {"blocking": "quiet", "hold": "warn", "async": "accent", "rtc": "good"}


class Point(NamedTuple):
    """An evaluation at a fixed delay: places in percent of the plot, downwards, with its interval, and its text."""

    x: float
    y: float
    low: float
    high: float
    text: str


class Line(NamedTuple):
    """The evaluations of one execution, from the shortest delay on; `path` joins them."""

    execution: str
    tone: str
    points: list[Point]
    path: str


class DelayPlot(NamedTuple):
    """What is shown of one suite and decoder.

    Attributes:
        suite, decoder: as headings.
        lines: of fixed delays. axis: ticks of the steps.
        blocking: height of the evaluation in which no time passes, and its interval; None without one.
        profiles: evaluations with delays from a profile, as bars with their intervals.
    """

    suite: str
    decoder: str
    lines: list[Line]
    axis: tuple[Tick, ...]
    blocking: Point | None
    profiles: list[Bar]


def write_page(results: Mapping[str, Any], page: Path) -> None:
    """Writes the page of what ``results/delay.json`` holds, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, render_page(results))


def render_page(results: Mapping[str, Any]) -> str:
    """The page's HTML, the same for the same results."""
    rows: Sequence[Row] = results["rows"]
    groups = dict.fromkeys((row["suite"], row["decoder"]) for row in rows)
    return render_template(
        "delay.html",
        {
            "device": results["device"],
            "plots": [_plot(suite, decoder, rows) for suite, decoder in groups],
            "titles": EXECUTION_TITLES,
            "tones": _TONES,
            "columns": COLUMNS,
            "table": [cells(row) for row in rows],
            "provenance": [
                ("device", results["device"]),
                ("commit", results["commit"]),
                ("versions", ", ".join(f"{name} {version}" for name, version in results["versions"].items())),
            ],
        },
    )


def _plot(suite: str, decoder: str, rows: Sequence[Row]) -> DelayPlot:
    own = [row for row in rows if (row["suite"], row["decoder"]) == (suite, decoder)]
    fixed = [row for row in own if row["delay"] is not None and row["profile"] is None]
    longest = max([row["delay"] for row in fixed], default=1) or 1
    by_execution: dict[str, list[Row]] = {}
    for row in fixed:
        by_execution.setdefault(row["execution"], []).append(row)
    name, _, settings = decoder.partition(" ")
    still = next((row for row in own if row["execution"] == "blocking"), None)
    return DelayPlot(
        suite=suite_title(suite),
        decoder=f"{DECODER_TITLES.get(name, name)} {settings}".strip(),
        lines=[_line(execution, found, longest) for execution, found in by_execution.items()],
        axis=tuple(Tick(_x(delay, longest), f"{delay:g}") for delay in sorted({row["delay"] for row in fixed})),
        blocking=None if still is None else _point(still, 0.0),
        profiles=[_bar(row) for row in own if row["profile"] is not None],
    )


def _line(execution: str, rows: Sequence[Row], longest: float) -> Line:
    points = [_point(row, _x(row["delay"], longest)) for row in sorted(rows, key=lambda row: row["delay"])]
    path = "".join(f"{'L' if index else 'M'}{point.x:.2f} {point.y:.2f}" for index, point in enumerate(points))
    return Line(execution, _TONES[execution.split()[0]], points, path)


def _point(row: Row, x: float) -> Point:
    low, high = row["interval"]
    rate = row["successes"] / row["episodes"]
    text = f"{row['execution']}, delay {delay_text(row)}: {row['successes']} of {row['episodes']}"
    return Point(x, 100 - 100 * rate, 100 - 100 * low, 100 - 100 * high, text)


def _x(delay: float, longest: float) -> float:
    return 4 + 92 * delay / longest


def _bar(row: Row) -> Bar:
    return Bar(
        label=row["execution"],
        text=f"{row['successes']} of {row['episodes']}",
        percent=100 * row["successes"] / row["episodes"],
        note=delay_text(row),
        marks=tuple(100 * bound for bound in row["interval"]),
    )
