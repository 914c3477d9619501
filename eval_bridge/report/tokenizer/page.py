"""The page of the tokenizer analysis: its figures as a table and as plots, in one file that needs no network."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.report.page import render_template
from eval_bridge.report.tokenizer.axes import PALETTE, Record, Series, all_series
from eval_bridge.report.tokenizer.plots import accuracy_plots, draw_plots, legend
from eval_bridge.report.tokenizer.throughput import flat, speed_bars, speed_plots
from rsd_jax.atomic_files import write_atomically

MISSING = "\N{EN DASH}"


class Column(NamedTuple):
    """A column of the main table.

    Attributes:
        title, unit: its head.
        path: where the figure is, keys with points between.
        form: how a number is written, a name of `_FORMS`.
        beside: a path of a figure to give in the second line, such as a baseline; "" gives the range of the seeds.
    """

    title: str
    unit: str
    path: str
    form: str
    beside: str = ""


COLUMNS = (
    Column("Error", "half ranges²", "token_mse_by_layer", "scientific"),
    Column("Loss minus tokens", "units²", "forward_minus_token_mse", "scientific"),
    Column("Noise 1e-3", "tokens changed", "flips.1e-3", "percent"),
    Column("Noise 1e-2", "tokens changed", "flips.1e-2", "percent"),
    Column("Informative", "of digits", "informative_fraction", "percent"),
    Column("Entropy", "bits per step", "bits_per_step", "number"),
    Column("Draft L0 to L2", "(majority)", "head.draft_l0_l2", "percent", "head.draft_l0_l2_majority"),
    Column("Main L3 to L7", "(majority)", "head.main_l3_l7", "percent", "head.main_l3_l7_majority"),
    Column("Heads' error", "half ranges²", "head.free_running_mse", "scientific"),
    Column("Gripper exact", "of steps", "gripper_exact", "percent"),
    Column("Bound / found", "largest ratio", "bounds.largest_ratio", "ratio"),
    Column("Training", "seconds", "train_seconds", "number"),
)


class Cell(NamedTuple):
    """A cell of the main table; `note` is its second line."""

    text: str
    note: str = ""


def write_page(results: Record, page: Path) -> None:
    """Writes the page; after a failure an earlier page is still there, and nothing half-written.

    Args:
        results: what launch.analyze_tokenizer makes; what is missing in it shows as a dash.
        page: the HTML file.

    Raises:
        OSError: it could not be written.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, render_page(results))


def render_page(results: Record) -> str:
    """The page's HTML, the same for the same results."""
    every = all_series(results)
    throughput = results.get("throughput")
    values = {
        "palette": PALETTE,
        "missing": MISSING,
        "columns": COLUMNS,
        "every": every,
        "table": [(series, [cell(series, column) for column in COLUMNS]) for series in every],
        "legends": [(series, legend(series)) for series in every],
        "plots": draw_plots(results),
        "accuracies": accuracy_plots(results),
        "speeds": speed_plots(speed_bars(throughput), every),
        "speed_table": _speed_table(throughput),
        "baselines": [series for series in every if not series.is_layered],
        "baseline_usage": [_usage(series) for series in every if not series.is_layered],
        "excess": _largest_excess(every),
        "data": results.get("data") or {},
        "default": results.get("default") or MISSING,
        "seeds": results.get("seeds") or [],
        "head_steps": results.get("head_steps"),
        "provenance": _provenance(results),
    }
    return render_template("tokenizer.html", values)


def cell(series: Series, column: Column) -> Cell:
    """The mean over the seeds; below it the figure beside, or the seeds' range where it can be seen."""
    values = _last(series, column.path)
    if not values:
        return Cell(MISSING)
    text = write_number(sum(values) / len(values), column.form)
    if column.beside:
        beside = _last(series, column.beside)
        return Cell(text, f"({write_number(sum(beside) / len(beside), column.form)})" if beside else "")
    low, high = (write_number(value, column.form) for value in (min(values), max(values)))
    return Cell(text, "" if low == high else _range(low, high))


def write_number(value: Any, form: str) -> str:
    """A number as the table shows it; a dash for what is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return MISSING
    if form == "percent":
        return f"{100 * value:.2f} %" if 0 < abs(value) < 0.1 else f"{100 * value:.1f} %"
    if form == "scientific":
        return "0" if value == 0 else f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e+")
    return f"{value:.3f}" if form == "ratio" else f"{value:.1f}"


def _range(low: str, high: str) -> str:
    """Both ends, a shared power of ten and per cent signs written once."""
    low, high = low.removesuffix(" %"), high.removesuffix(" %")
    number, power, exponent = low.partition("e")
    return f"{number if high.endswith(power + exponent) else low}\N{EN DASH}{high}"


def _largest_excess(every: Sequence[Series]) -> str:
    found = [value for series in every for value in _last(series, "bounds.largest_excess")]
    return write_number(max(found), "scientific") if found else MISSING


def _last(series: Series, path: str) -> list[float]:
    """Every seed's figure, after the last layer where there are several; empty where one is missing."""
    rows = series.rows(path)
    if rows is None or rows.ndim != 2 or not rows.shape[1]:
        return []
    return [float(value) for value in rows[:, -1]]


def _usage(series: Series) -> str:
    usage, perplexity = (_last(series, f"{name}_by_layer") for name in ("usage", "perplexity"))
    shown = [
        write_number(sum(values) / len(values), form) if values else MISSING
        for values, form in ((usage, "percent"), (perplexity, "number"))
    ]
    return f"{series.name}: {shown[0]}, perplexity {shown[1]}"


def _speed_table(throughput: Any) -> list[tuple[str, str]]:
    def text(value: Any) -> str:
        return MISSING if value is None else f"{value:,.5g}" if isinstance(value, float) else str(value)

    return [(path, text(value)) for path, value in flat(throughput)] if throughput else []


def _provenance(results: Record) -> list[tuple[str, str]]:
    versions: dict[str, Any] = results.get("versions") or {}
    data: dict[str, Any] = results.get("data") or {}
    rows: Sequence[tuple[str, Any]] = (
        *(
            (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else value)
            for name, value in data.items()
        ),
        ("seeds", ", ".join(map(str, results.get("seeds") or [])) or None),
        ("device", results.get("device")),
        ("commit", results.get("commit")),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or None),
        ("policy that labels and that heads look through", results.get("policy_hash")),
        ("training steps of each head", results.get("head_steps")),
    )
    return [(name, MISSING if value is None else str(value)) for name, value in rows]
