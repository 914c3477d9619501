"""What charts are made of: places and lengths as percentages of an axis, so that they fit any width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its label, its value as text, and its length and marks as percentages of the axis."""

    label: str
    text: str
    percent: float
    note: str = ""
    marks: tuple[float, ...] = ()


class Column(NamedTuple):
    """An upright bar; `is_special` ones are coloured differently, `label` and `text` may be empty to save space."""

    label: str
    text: str
    percent: float
    is_special: bool = False


class Strip(NamedTuple):
    """A row of dots, one for each value, at percentages of an axis; `tone` is a colour of the style sheet."""

    label: str
    text: str
    percents: tuple[float, ...]
    tone: str = "accent"
    note: str = ""


class Tick(NamedTuple):
    """A mark of an axis."""

    percent: float
    text: str


def ticks(highest: float, wanted: int = 5, unit: str = "") -> tuple[Tick, ...]:
    """Marks at round numbers from 0 up to `highest`, about `wanted` of them."""
    step = round_step(highest / wanted)
    count = int(highest / step + 1e-9)
    return tuple(Tick(100 * index * step / highest, f"{index * step:g}{unit}") for index in range(count + 1))


def round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `least`, which is above 0."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least * (1 - 1e-9))


def stairs(xs: Sequence[float], ys: Sequence[float]) -> str:
    """An SVG path that steps from one height to the next; y grows downwards, both in percent.

    Each y holds from its x on, up to the next x; the last one up to 100.
    """
    parts = [f"M{xs[0]:.2f} {ys[0]:.2f}"]
    for x, y in zip(xs[1:], ys[1:], strict=True):
        parts.append(f"H{x:.2f}V{y:.2f}")
    return "".join([*parts, "H100"])


def band(xs: Sequence[float], lower: Sequence[float], upper: Sequence[float]) -> str:
    """An SVG path around the area between two stairs."""
    points = [*zip(xs, lower, strict=True)]
    back = [f"H{x:.2f}V{points[index - 1][1]:.2f}" if index else f"H{x:.2f}" for index, (x, _) in enumerate(points)]
    return f"{stairs(xs, upper)}V{points[-1][1]:.2f}{''.join(reversed(back))}Z"
