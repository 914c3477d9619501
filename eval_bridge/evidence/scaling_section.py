"""The section on many devices, of a document: what was measured, what was fitted to it, and the plans."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval_bridge.evidence.figures_in_words import write_commit
from eval_bridge.report.markdown import link_to, markdown_table
from eval_bridge.report.scaling.table import COLUMNS, TITLES, breaking_points, cells, significant, size_text

SECTION = "scaling_plan"

_UNITS = {
    "constant": (1e3, "constant a step", "ms"),
    "matrix_rate": (1e-12, "operations of a device", "TFLOP/s"),
    "network_share": (1e2, "share of the links' rate", "%"),
}


def describe(results: Path, document: Path) -> str:
    """The section of `document`, from the file that `launch.plan_scaling` wrote.

    Raises:
        OSError: it cannot be read.
    """
    record: Mapping[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    parts = [_measured(record), _fitted(record)]
    for name, training in record["trainings"].items():
        parts += _training(name, training, record)
    made = f"Commit {write_commit(record['commit'])}, traced with jax {record['versions']['jax']}"
    parts.append(
        f"{made}. All figures: {link_to(results, document)}, written with this section by "
        "`python -m launch.plan_scaling`."
    )
    return "\n\n".join(parts)


def _measured(record: Mapping[str, Any]) -> str:
    rows = [
        [
            str(step["devices"]),
            str(step["processes"]),
            str(step["batch"] // step["devices"]),
            significant(step["samples_per_s"]),
            significant(predicted),
        ]
        for step, predicted in zip(record["measured"], record["fit"]["predicted"], strict=True)
    ]
    header = ("devices", "processes", "rows a device", "samples/s, measured", "by the fit")
    return f"**Measured** ({record['source']}):\n\n{markdown_table(header, rows)}"


def _fitted(record: Mapping[str, Any]) -> str:
    fit = record["fit"]
    rates = {name: _rate(name, fit["rates"][name]) for name in _UNITS}
    fitted = ", ".join(rates[name] for name in fit["fitted"])
    text = f"**Fitted**, with nothing of the network hidden: {fitted}."
    if fit["assumed"]:
        text += f" Assumed, for these steps do not tell it: {', '.join(rates[name] for name in fit['assumed'])}."
    if len(fit["fitted"]) >= len(record["measured"]):
        text += " There are as many constants as steps: that the fit meets them checks nothing."
    alone = {step["batch"] // step["devices"] for step in record["measured"] if step["processes"] == 1}
    if "constant" in fit["fitted"] and len(alone) == 1:
        text += (
            " Constant and operations are told apart by steps of several processes alone, and what several processes "
            "cost is in both."
        )
    return text


def _rate(name: str, value: float) -> str:
    factor, text, unit = _UNITS[name]
    return f"{text} {factor * value:.3g} {unit}"


def _training(name: str, training: Mapping[str, Any], record: Mapping[str, Any]) -> Sequence[str]:
    *others, roomiest = training["grown_batch"]
    devices = record["devices"]
    parts = [f"### {TITLES[name]}", f"{size_text(training)}."]
    for mode, text in (
        ("kept_batch", f"At {training['batch']} rows a step"),
        ("grown_batch", f"At {training['rows_a_device']} rows a device, or the largest power of two that fits"),
    ):
        table = [cells(training, mode, number, roomiest) for number in devices]
        parts.append(f"{text}, devices of {roomiest} GB:\n\n{markdown_table(COLUMNS, table)}")
        for memory in others:
            other = [cells(training, mode, number, memory) for number in devices]
            changed = [row for row, same in zip(other, table, strict=True) if row != same]
            if changed:
                parts.append(f"Otherwise with {memory} GB:\n\n{markdown_table(COLUMNS, changed)}")
    points = breaking_points(training, devices, record["disk_bytes_per_second"], record["machine"]["devices_per_host"])
    return [*parts, "\n".join(f"- {point}" for point in points)]
