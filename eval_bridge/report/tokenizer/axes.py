"""What the plots of the tokenizer analysis share: one colour and marker a tokenizer, axes, and SVG for an HTML page.

Colours in the SVG are the page's CSS variables, so that it also works on dark paper, and text takes the page's font.
"""

import html
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

Record = dict[str, Any]
Rows = NDArray[np.float64]

PALETTE = (
    ("#2f6fde", "#6ea2ff"),  # the default's
    ("#d9730d", "#f2a154"),
    ("#23946a", "#4cc38f"),
    ("#8a6bd1", "#b39af0"),
    ("#c2408f", "#ee86c1"),
    ("#a8850b", "#dcc04c"),
    ("#5f6672", "#a5acb8"),
    ("#0e8fa3", "#4fc4d6"),
    ("#8c564b", "#cf9a8c"),
)
"""Colours of tokenizers on light and on dark paper: the page's ``--series-0`` and so on."""

MARKERS = (
    ("o", 1.0),
    ("s", 1.0),
    ("D", 0.9),
    ("^", 1.25),
    ("v", 1.25),
    ("P", 1.25),
    ("h", 1.2),
    ("X", 1.15),
    ("*", 1.7),
)
"""Markers of tokenizers, and what makes them look equally large."""

DIMENSIONS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
SIZE = (440, 310)
MARGINS = (60, 54, 16, 34)
NAMES_MARGINS = (138, 54, 28, 34)

_VARIABLES = ("ink", "soft", "line", "card", *(f"series-{index}" for index in range(len(PALETTE))))


def colour(variable: str) -> str:
    """What stands for the CSS variable ``--variable`` until the SVG is written."""
    return f"#0000{_VARIABLES.index(variable) + 1:02x}"


@dataclass(frozen=True)
class Series:
    """A tokenizer: its name, its place among the colours and markers, and its figures, a record a seed."""

    name: str
    position: int
    records: tuple[Record, ...]

    @property
    def is_default(self) -> bool:
        """Whether it is the tokenizer that the pipelines use."""
        return self.position == 0

    @property
    def is_layered(self) -> bool:
        """Whether it has several layers; baselines have one."""
        rows = self.rows("token_mse_by_layer")
        return rows is not None and rows.shape[1] > 1

    @property
    def style(self) -> dict[str, Any]:
        """Colour, marker and weight, the same in every plot."""
        marker, scale = MARKERS[self.position % len(MARKERS)]
        return {
            "color": colour(f"series-{self.position % len(PALETTE)}"),
            "marker": marker,
            "linewidth": 2.8 if self.is_default else 1.4,
            "markersize": 7.5 if self.is_default else 5.5 * scale,
            "markeredgecolor": colour("card"),
            "markeredgewidth": 0.7,
            "zorder": 5.0 if self.is_default else 3.0,
        }

    def rows(self, path: str) -> Rows | None:
        """Figures at `path` (keys with points between), the seeds stacked; None where one is missing or no number."""
        found = [lookup(record, path) for record in self.records]
        arrays = [np.atleast_1d(np.asarray(value, np.float64)) for value in found if value is not None]
        if len(arrays) < len(found) or not arrays or len({array.shape for array in arrays}) > 1:
            return None
        rows = np.stack(arrays)
        return rows if np.isfinite(rows).all() else None


def lookup(record: Record, path: str) -> Any:
    """The value at `path`, or None."""
    value: Any = record
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def all_series(results: Record) -> list[Series]:
    """The tokenizers of `results`, in its order; the default has position 0."""
    default = results.get("default")
    others = [name for name in results.get("variants", {}) if name != default]
    return [
        Series(name, 0 if name == default else 1 + others.index(name), tuple(figures.get("seeds") or [figures]))
        for name, figures in results.get("variants", {}).items()
    ]


def to_svg(
    name: str,
    label: str,
    draw: Callable[[Axes], bool],
    size: tuple[int, int] = SIZE,
    margins: tuple[int, int, int, int] = MARGINS,
) -> str:
    """Draws one pair of axes; "" where `draw` finds nothing to draw.

    Args:
        name: distinguishes the ids of the page's SVGs.
        label: what is measured, with its unit; written above the vertical axis.
        size: width and height, in the units of a CSS pixel where the page has that much room.
        margins: left, bottom, right, top.
    """
    (width, height), (left, bottom, right, top) = size, margins
    looks: dict[Any, Any] = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), colour("soft")),
        **dict.fromkeys(("axes.edgecolor", "grid.color", "xtick.color", "ytick.color"), colour("line")),
        **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 13),
        "grid.linewidth": 0.8,
        "axes.axisbelow": True,
        "svg.fonttype": "none",
        "svg.hashsalt": name,
    }
    with mpl.rc_context(looks):
        figure = Figure(figsize=(width / 72, height / 72))
        axes = figure.add_axes(
            (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
        )
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="y")
        axes.tick_params(length=0, pad=6)
        if not draw(axes):
            return ""
        axes.annotate(label, (8 / width, 1 - 20 / height), xycoords="figure fraction", color=colour("ink"))
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(file.getvalue(), label)


def _for_page(svg: str, label: str) -> str:
    """Leaves out what inline SVG must not or need not have, and puts CSS variables in."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r' id="(?:figure|axes|patch|line2d|text|matplotlib|[xy]tick|FillBetween\w*|\w*Collection)[._]\w+"', "", svg
    )
    svg = re.sub(r"font-size: [^;\"]+;? ?|font-family: [^;\"]+;? ?", "", svg)
    svg = re.sub(r"#0000([0-9a-f]{2})", lambda found: _variable(int(found[1], 16)), svg)
    size = re.search(r'viewBox="[^"]+"', svg)
    content = re.sub(r"\s*\n\s*", "\n", svg[svg.index(">") + 1 :])
    return f'<svg {size[0] if size else ""} role="img" aria-label="{html.escape(label)}">{content}'


def _variable(number: int) -> str:
    return f"var(--{_VARIABLES[number - 1]})" if number else "var(--ink)"


def power_of_ten(value: float) -> str:
    """``10⁻³``: a decade as text, all of it in one size."""
    exponent = round(math.log10(value))
    return {0: "1", 1: "10"}.get(exponent, "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")))


def log_axis(axes: Axes, which: str, values: Iterable[Rows]) -> float:
    """Whole decades around the positive `values`, and one below for zeros, if there are any; returns the lower end."""
    values = list(values)
    has_zeros = any((row <= 0).any() for row in values)
    positive = np.concatenate([[], *(row[row > 0] for row in values)])
    high = math.ceil(math.log10(positive.max(initial=1e-12)) - 1e-9) if positive.size else 0
    low = max(math.floor(math.log10(positive.min(initial=1e12))), high - 12) if positive.size else -1
    low = min(low, high - 1) - has_zeros
    getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(10.0**low, 10.0**high)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(10.0, numticks=8))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(
        FuncFormatter(lambda at, _: "0" if has_zeros and at < 2 * 10.0**low else power_of_ten(at))
    )
    return float(10.0**low)


def percent_axis(axes: Axes, which: str) -> None:
    """From 0 to 100 %."""
    getattr(axes, f"set_{which}lim")(0, 1)
    getattr(axes, f"set_{which}ticks")([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])


def curve(axes: Axes, series: Series, x: Sequence[float] | Rows, rows: Rows, **changes: Any) -> None:
    """Mean over the seeds as a line with markers, and the band from the lowest to the highest seed."""
    style = {**series.style, **changes}
    axes.fill_between(
        x, rows.min(axis=0), rows.max(axis=0), color=style["color"], alpha=0.22, linewidth=0, zorder=style["zorder"]
    )
    axes.plot(x, rows.mean(axis=0), clip_on=False, **style)


def layer_ticks(axes: Axes, count: int) -> None:
    """Layers along the horizontal axis, from L0 on."""
    axes.set_xlim(-0.25, count - 0.75)
    axes.set_xticks(range(count), [f"L{layer}" for layer in range(count)])
    axes.set_xlabel("layer of the tokenizer, coarse to fine", labelpad=8)


def name_ticks(axes: Axes, names: Sequence[str]) -> None:
    """A row for each name, the first on top; they need `NAMES_MARGINS`."""
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x")
