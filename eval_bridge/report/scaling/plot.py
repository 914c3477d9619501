"""Samples a second over devices, with the two bounds, as one SVG that stands alone and also on dark paper."""

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.report.scaling.table import TITLES, significant
from rsd_jax.atomic_files import write_atomically

_WIDTH, _HEIGHT, _PANEL, _LEFT, _TOP, _BOTTOM, _GAP = 960, 350, 240, 56, 66, 282, 66

_STYLE = """svg { --ink: #1f2328; --soft: #59636e; --grid: #d1d9e0; --page: #ffffff;
--kept: #d9730d; --grown: #2f6fde; }
@media (prefers-color-scheme: dark) {
svg { --ink: #f0f6fc; --soft: #9198a1; --grid: #3d444d; --page: #0d1117; --kept: #f2a154; --grown: #6ea2ff; }
}
text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 11px; }
text { fill: var(--soft); }
.h { font-size: 13px; font-weight: 600; fill: var(--ink); } .m { text-anchor: middle; } .e { text-anchor: end; }
.g { stroke: var(--grid); stroke-width: 1; } .i { fill: none; stroke: var(--soft); stroke-dasharray: 3 4; }
.kept { fill: var(--kept); stroke: var(--kept); } .grown { fill: var(--grown); stroke: var(--grown); }
polygon { fill-opacity: .22; stroke-width: 1.4; } circle { fill: var(--ink); }"""


class _Axes(NamedTuple):
    """Where devices and samples a second lie in a panel."""

    left: float
    most_devices: int
    low: int
    high: int

    def x(self, devices: float) -> float:
        return self.left + _PANEL * math.log2(devices) / max(1.0, math.log2(self.most_devices))

    def y(self, samples: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (math.log10(samples) - self.low) / (self.high - self.low)


def write_plot(record: Mapping[str, Any], path: Path) -> None:
    """Writes the plot of ``results/scaling_plan.json``, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    write_atomically(path, render_plot(record))


def render_plot(record: Mapping[str, Any]) -> str:
    """The SVG, the same for the same record."""
    label = "Planned samples a second over devices, between nothing of the network hidden and all of it"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">',
        f"<style>\n{_STYLE}\n</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="10" fill="var(--page)"/>',
    ]
    for place, (name, training) in enumerate(record["trainings"].items()):
        measured = record["measured"] if place == 0 else []
        parts += _panel(name, training, measured, _LEFT + place * (_PANEL + _GAP))
    keys = (("grown", "rows grow with the devices"), ("kept", "rows a step as configured"))
    for place, (kind, text) in enumerate(keys):
        x = _LEFT + 210 * place
        parts.append(
            f'<rect class="{kind}" x="{x}" y="330" width="14" height="8"/><text x="{x + 20}" y="338">{text}</text>'
        )
    x = _LEFT + 420
    parts.append(f'<path class="i" d="M{x} 334h22"/><text x="{x + 28}" y="338">as many times one device</text>')
    parts.append(
        f'<circle cx="{x + 196}" cy="334" r="3.5"/><text x="{x + 206}" y="338">measured; all else is planned</text>'
    )
    return "\n".join([*parts, "</svg>\n"])


def _panel(name: str, training: Mapping[str, Any], measured: Sequence[Mapping[str, Any]], left: float) -> list[str]:
    roomiest = list(training["grown_batch"])[-1]
    curves = {kind: _points(training[f"{kind}_batch"][roomiest]) for kind in ("grown", "kept")}
    alone = training["alone"]
    most = max(int(devices) for devices in training["grown_batch"][roomiest])
    heights = [height for curve in curves.values() for point in curve for height in point[1:]]
    heights += [step["samples_per_s"] for step in measured] + [most * one for one in alone]
    low, high = math.floor(math.log10(min(heights))), math.ceil(math.log10(max(heights)))
    axes = _Axes(left, most, low, max(high, low + 1))
    lines = [
        f'<text class="h" x="{left}" y="30">{html.escape(TITLES[name])}</text>',
        f'<text x="{left}" y="48">samples/s</text>',
    ]
    for power in range(axes.low, axes.high + 1):
        y = axes.y(10.0**power)
        lines.append(f'<path class="g" d="M{left} {y:.1f}h{_PANEL}"/>')
        lines.append(f'<text class="e" x="{left - 6}" y="{y + 4:.1f}">{_short(10**power)}</text>')
    for devices in (1 << power for power in range(most.bit_length())):
        if devices in (1, 2, 8, 64, most):
            lines.append(f'<text class="m" x="{axes.x(devices):.1f}" y="{_BOTTOM + 18}">{devices}</text>')
    lines.append(f'<text class="m" x="{left + _PANEL / 2}" y="{_BOTTOM + 35}">devices</text>')
    for one in sorted(set(alone)):
        start, end = (f"{axes.x(number):.1f} {axes.y(number * one):.1f}" for number in (1, most))
        lines.append(f'<path class="i" d="M{start}L{end}"/>')
    for kind, curve in curves.items():
        around = [(devices, most) for devices, _, most in curve] + [
            (devices, least) for devices, least, _ in reversed(curve)
        ]
        corners = " ".join(f"{axes.x(devices):.1f},{axes.y(height):.1f}" for devices, height in around)
        lines.append(f'<polygon class="{kind}" points="{corners}"/>' if curve else "")
    for step in measured:
        text = f"{step['devices']} x {step['batch'] // step['devices']} rows: {significant(step['samples_per_s'])}"
        place = f'cx="{axes.x(step["devices"]):.1f}" cy="{axes.y(step["samples_per_s"]):.1f}"'
        lines.append(f'<circle {place} r="3.5"><title>{text}</title></circle>')
    return [line for line in lines if line]


def _points(plans: Mapping[str, Any]) -> list[tuple[int, float, float]]:
    """Devices, samples a second at least and at most, of the plans that there are."""
    return [(int(devices), plan["least"], plan["most"]) for devices, plan in plans.items() if "least" in plan]


def _short(value: int) -> str:
    return f"{value // 10**6} M" if value >= 10**6 else f"{value // 1000} k" if value >= 1000 else str(value)
