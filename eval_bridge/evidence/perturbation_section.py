"""The table of success under LIBERO-Plus's perturbations, for a document."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval_bridge.evidence.figures_in_words import describe_source, write_success
from eval_bridge.report.markdown import markdown_table
from eval_bridge.simulators.perturbation.choice import KINDS
from eval_bridge.statistics.intervals import Interval

SECTION = "libero_plus"


def describe(results: Path, document: Path) -> str:
    """A row an evaluation beside what others were published with, what it means, and what is not done.

    Raises:
        OSError: `results` cannot be read.
    """
    record: Mapping[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    anchors: Mapping[str, Mapping[str, float]] = record["anchors"]
    header = ["", "decoder", "success", "by kind of case", *(f"{name}, all suites" for name in anchors)]
    table = markdown_table(header, [_cells(row, anchors) for row in record["rows"]])
    left_out = "; ".join(f"{dimension} ({reason})" for dimension, reason in record["not_done"].items())
    note = (
        "Success with 95 % Wilson intervals, levels together unless one is named; nothing was trained on perturbed "
        f"scenes. Of LIBERO-Plus's seven dimensions four are not done: {left_out}. The published rates are in per "
        "cent, over LIBERO-Plus's cases of all four suites, each run once."
    )
    source = describe_source(record["device"], record["versions"], results, document, "record_perturbations")
    return f"{table}\n\n{note} {source}"


def _cells(row: Mapping[str, Any], anchors: Mapping[str, Mapping[str, float]]) -> list[str]:
    suite = f"{row['suite']}_{row['variant']}" if row["variant"] else row["suite"]
    kind, level = row["perturbation"], row["level"]
    what = KINDS[kind] + ("" if level is None else f", level {level}") if kind else "nothing perturbed"
    forms = ", ".join(f"{form['name']} {form['successes']}/{form['episodes']}" for form in row["by_form"])
    return [
        f"`{suite}`, {what}",
        f"`{row['decoder']} {row['settings']}`".replace(" `", "`"),
        write_success(row["successes"], row["episodes"], Interval(*row["interval"]), digits=1),
        forms or "-",
        *(f"{rates[kind]:g}" if kind and level is None else "-" for rates in anchors.values()),
    ]
