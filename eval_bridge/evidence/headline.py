"""The one table of the README: what a run and the shipped checkpoint reach, what it takes, what is beside it."""

import json
from pathlib import Path
from typing import Any

from eval_bridge.evidence.figures_in_words import write_success
from eval_bridge.evidence.row_in_words import chunk_time_of, fine_grained_of, success_of
from eval_bridge.evidence.suite_record import from_json
from eval_bridge.evidence.suite_rows import TEACHER, EvaluationRow
from eval_bridge.evidence.suite_section import PUBLISHED, Column
from eval_bridge.report.markdown import link_to, markdown_table

SECTION = "headline"

SUITE = "libero_spatial.json"
SHIPPED = "evaluation_runs/libero_spatial_abrupt_h100.json"
VARIANTS = "libero_pro.json"
CASCADE_FILE = "cascade.json"
"""The files: a suite's rows as the pipeline makes them now, those of the shipped checkpoint, on the suite and on
LIBERO-PRO, and cascades."""

LAYERWISE = "autoregressive"
LAYERS = 8
CHANGES = {
    "libero_spatial_lan": "other words",
    "libero_spatial_object": "other looks of bowl and plate",
    "libero_spatial_swap": "exchanged positions",
    "libero_spatial_task": "the other bowl asked for",
}
"""What LIBERO-PRO's variants change."""


def describe(results: Path, document: Path) -> str:
    """The section of `document`: the table, and where its figures come from.

    Args:
        results: folder of the kept figures.
        document: that holds the section.

    Raises:
        OSError: a file is missing.
    """
    suite, shipped, variants = (_first_column(results / name) for name in (SUITE, SHIPPED, VARIANTS))
    cascade = json.loads((results / CASCADE_FILE).read_text())
    rows = [
        *_success_rows(suite),
        *_cascade_rows(cascade),
        *_shipped_rows(shipped, variants),
        *_cost_rows(suite),
    ]
    links = {name: link_to(results / name, document) for name in (SUITE, SHIPPED, VARIANTS, CASCADE_FILE)}
    (_, (headline, *_)), (_, (older, *_)), (_, (variant, *_)) = suite, shipped, variants
    return (
        f"{markdown_table(['', 'measured', 'beside it'], rows)}\n\n"
        f"Success with 95 % Wilson intervals. {headline.device} ({links[SUITE]}, {links[CASCADE_FILE]}); the shipped "
        f"checkpoint is older and learned from abrupt motions: {older.device} ({links[SHIPPED]}), LIBERO-PRO on "
        f"{variant.device} ({links[VARIANTS]}). Made by `python -m launch.record_headline`."
    )


def _first_column(path: Path) -> Column:
    """Of the published run; others, with other seeds, stand in the documents."""
    return from_json(json.loads(path.read_text()))[0]


def _success_rows(column: Column) -> list[list[str]]:
    headline, *others = column[1]
    published = f"OpenVLA-OFT as published, trained on human demonstrations: {PUBLISHED[headline.suite]}"
    return [
        [f"{headline.suite}, `{headline.decoder}`, from nothing", success_of(headline), published],
        *(
            [f"the same run, `{row.decoder}`", success_of(row), f"speculative on the same starts: {_paired(row)}"]
            for row in others
            if row.decoder == TEACHER
        ),
        ["its three fine-grained tasks", fine_grained_of(headline), "-"],
    ]


def _cascade_rows(record: dict[str, Any]) -> list[list[str]]:
    """Of the settings that were named before."""
    return [
        [
            f"{row['suite']}, `{row['decoder']}`, from nothing",
            write_success(row["successes"], row["episodes"], row["interval"], digits=1),
            f"the full decoder on the same starts: {record['full']['successes']}; {row['skipped']:.0%} of the calls "
            f"skip the main backbone{_times(row)}",
        ]
        for row in record["rows"]
        if row["named_before"]
    ]


def _times(row: dict[str, Any]) -> str:
    if not row["times"]:
        return ""
    first = row["times"][0]
    return (
        f", {first['chunk_ms_mean']:.1f} instead of {first['chunk_ms_mean_full']:.1f} ms a chunk on {first['device']}"
    )


def _shipped_rows(column: Column, variants: Column) -> list[list[str]]:
    shipped = column[1][0]
    return [
        [f"{shipped.suite}, `{shipped.decoder}`, as shipped", success_of(shipped), PUBLISHED[shipped.suite]],
        *(
            [f"LIBERO-PRO: {CHANGES[row.suite]}, as shipped", success_of(row), f"without: {shipped.success_rate:.1%}"]
            for row in variants[1]
        ),
    ]


def _cost_rows(column: Column) -> list[list[str]]:
    run, rows = column
    accepted, rounds = rows[0].acceptance["token_acceptance"], rows[0].rounds_mean
    beside = ", ".join(f"`{row.decoder}` {chunk_time_of(row)}" for row in rows if row.decoder in (LAYERWISE, TEACHER))
    return [
        ["drafted tokens accepted, rounds a chunk", f"**{accepted:.1%}**, {rounds:.2f}", f"layer by layer: {LAYERS}"],
        ["one chunk of 8 actions, p50 / p99", f"**{chunk_time_of(rows[0])}**", beside],
        [
            "from nothing to the first report",
            f"**{run.seconds_to_report / 60:.1f} minutes**",
            f"{run.demonstrations} demonstrations and four trainings included",
        ],
    ]


def _paired(row: EvaluationRow) -> str:
    paired = row.paired
    if paired is None:
        return "-"
    return f"{100 * paired.difference:+.1f} points, p {paired.p_value:.2g}"
