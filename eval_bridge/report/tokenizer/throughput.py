"""Figures of tests/benchmarks/tokenizer_speed.py, or any other nested numbers, as bars and as a table."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from eval_bridge.report.tokenizer.axes import SIZE, Series, colour, log_axis, to_svg


class SpeedBar(NamedTuple):
    """One figure; `limit` is the most that the memory allows, or None."""

    group: str
    name: str
    value: float
    limit: float | None = None


def speed_bars(throughput: Any) -> list[SpeedBar]:
    """What to draw: the benchmark's ``results``; for any other mapping its positive numbers, grouped as they nest."""
    measured = throughput.get("results") if isinstance(throughput, dict) else None
    if isinstance(measured, list):
        return [_speed_bar(case) for case in measured if isinstance(case, dict) and _is_positive(case.get(_SPEED))]
    named = [(path.rpartition("."), value) for path, value in flat(throughput) if _is_positive(value)]
    return [SpeedBar(group or "throughput", name, float(value)) for (group, _, name), value in named]


def speed_plots(bars: Sequence[SpeedBar], every: Sequence[Series]) -> dict[str, str]:
    """A chart for each group of bars; those of ours have the colour of their tokenizer, see `Series`."""
    groups = {bar.group: [other for other in bars if other.group == bar.group] for bar in bars}
    label = "chunks per second" if any(bar.limit for bar in bars) else "as measured"
    return {
        group: to_svg(
            f"speed {group}", label, partial(_speed, chosen, every), (SIZE[0], 72 + 42 * len(chosen)), (16, 38, 20, 34)
        )
        for group, chosen in groups.items()
    }


def flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """All that is not a mapping or a list, with its path."""
    if isinstance(value, dict):
        return [row for key, item in value.items() for row in flat(item, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list | tuple):
        return [row for index, item in enumerate(value) for row in flat(item, f"{path}[{index}]")]
    return [(path, value)]


def short(value: float) -> str:
    """``6.0e6``."""
    return f"{value:.1e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


_SPEED = "chunks_per_second"


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _speed_bar(case: dict[str, Any]) -> SpeedBar:
    chunks, floor = case.get("chunks"), case.get("floor_ms")
    size = f", {chunks:,} chunks at once" if isinstance(chunks, int) else ""
    name = ", ".join(str(case[key]) for key in ("implementation", "variant") if key in case)
    limit = 1000 * chunks / float(floor) if isinstance(chunks, int) and floor and _is_positive(floor) else None
    return SpeedBar(f"{case.get('operation', 'throughput')}{size}", name, float(case[_SPEED]), limit)


def _speed(bars: Sequence[SpeedBar], every: Sequence[Series], axes: Axes) -> bool:
    low = log_axis(axes, "x", [np.array([value for bar in bars for value in (bar.value / 2, bar.limit) if value])])
    for height, bar in enumerate(bars):
        named = [series for series in every if bar.name.startswith("rsd_jax") and series.name in bar.name]
        shade = named[0].style["color"] if named else colour("soft")
        name = re.sub(r" \(.*?\)", "", bar.name)
        axes.barh(height + 0.2, bar.value - low, 0.34, left=low, color=shade)
        axes.text(low, height - 0.12, f"{name}: {short(bar.value)}", color=colour("ink"), va="baseline")
        if bar.limit:
            axes.vlines(bar.limit, height - 0.02, height + 0.42, color=colour("ink"), linewidth=2)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_yticks([])
    axes.grid(axis="x")
    return bool(bars)
