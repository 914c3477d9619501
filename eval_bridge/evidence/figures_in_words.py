"""The form that figures of results have in a text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval_bridge.report.markdown import link_to
from eval_bridge.statistics.intervals import Interval


def write_success(successes: int, episodes: int, interval: Interval, digits: int = 0) -> str:
    """``**9 of 10** (60% to 98%)``; the interval with `digits` behind the point."""
    low, high = interval
    return f"**{successes} of {episodes}** ({low:.{digits}%} to {high:.{digits}%})"


def write_percents(values: Sequence[float | None]) -> str:
    """Shares in whole per cent, a dash where there is none."""
    return " ".join("-" if value is None else f"{100 * value:.0f}" for value in values)


def write_accuracy_by_layer(metrics: dict[str, Any], labels: str = "") -> str:
    """A head's accuracy by layer in per cent, each with the majority class in brackets.

    Args:
        metrics: of the stage.
        labels: end of the metrics' names; "" for the labels that it was trained on.
    """
    accuracy, majority = metrics[f"accuracy_by_layer{labels}"], metrics[f"majority_by_layer{labels}"]
    return " ".join(f"{100 * a:.0f}({100 * m:.0f})" for a, m in zip(accuracy, majority, strict=True))


def write_chunk_time(p50: float, p99: float) -> str:
    """Median and 99th percentile of the time of a chunk, given in milliseconds."""
    return f"{p50:.1f} / {p99:.1f} ms"


def write_commit(commit: str | None) -> str:
    """The first ten digits, and whether there were changes on top of it."""
    number, _, state = (commit or "unknown").partition("-")
    return f"`{number[:10]}`" + (f" ({state})" if state else "")


def describe_source(device: str, versions: dict[str, str], results: Path, document: Path, command: str) -> str:
    """On what, with what and by which command the figures of a section of `document` were made."""
    packages = ", ".join(f"{name} {versions[name]}" for name in ("jax", "flax", "mujoco") if name in versions)
    return (
        f"Device: {device}; {packages}. "
        f"All figures: {link_to(results, document)}, written with this table by `python -m launch.{command}`."
    )
