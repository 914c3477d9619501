"""The one table of the README: what the shipped checkpoint and the cascade reach, what it takes, what is beside it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval_bridge.evidence.figures_in_words import write_chunk_time, write_success
from eval_bridge.evidence.suite_record import from_json
from eval_bridge.evidence.suite_rows import TEACHER, EvaluationRow
from eval_bridge.evidence.suite_section import PUBLISHED, Column
from eval_bridge.report.markdown import link_to, markdown_table

SECTION = "headline"

SUITE = "libero_spatial.json"
VARIANTS = "libero_pro.json"
SPEED = "evaluation_runs/libero_spatial_slow_arrival_h100.json"
CASCADE_FILE = "cascade.json"
"""The files: a suite's and LIBERO-PRO's rows, those of a run whose chunks were timed alone on the card, cascades."""

LAYERWISE = "autoregressive"  # left out beside the speculative decoder: their tokens are the same
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
    files = {name: json.loads((results / name).read_text()) for name in (SUITE, VARIANTS, SPEED)}
    suite, variants, speed = (from_json(record) for record in files.values())
    cascade = json.loads((results / CASCADE_FILE).read_text())
    shipped, variant = suite[0][1][0], variants[0][1][0]
    rows = [
        *_success_rows(suite),
        *_cascade_rows(cascade),
        *_variant_rows(variants, shipped),
        *_speed_rows(suite, speed),
    ]
    links = {name: link_to(results / name, document) for name in (*files, CASCADE_FILE)}
    return (
        f"{markdown_table(['', 'measured', 'beside it'], rows)}\n\n"
        f"Success with 95 % Wilson intervals. Suite and speed: {shipped.device}; LIBERO-PRO: {variant.device}. "
        f"Figures: {links[SUITE]}, {links[VARIANTS]}; chunk times: {links[SPEED]}, the earlier run with the same "
        f"network; the cascade, of a later run with smoother demonstrations, evaluated on {cascade['device']}: "
        f"{links[CASCADE_FILE]}. Made by `python -m launch.record_headline`."
    )


def _success_rows(columns: Sequence[Column]) -> list[list[str]]:
    shipped, *others = columns[0][1]
    published = f"OpenVLA-OFT as published, trained on human demonstrations: {PUBLISHED[shipped.suite]}"
    return [
        [f"{shipped.suite}, `{shipped.decoder}`, as shipped", _success(shipped), published],
        *(
            [f"the same from nothing, seed {run.seed}", _success(rows[0]), PUBLISHED[rows[0].suite]]
            for run, rows in columns[1:]
        ),
        *(
            [f"as shipped, `{row.decoder}`", _success(row), f"speculative on the same starts: {_paired(row)}"]
            for row in others
            if row.decoder != LAYERWISE
        ),
        ["its three finest-grained tasks", _finest(shipped), "-"],
    ]


def _cascade_rows(record: dict[str, Any]) -> list[list[str]]:
    """Of the settings that were named before."""
    return [
        [
            f"{row['suite']}, `{row['decoder']}`, not shipped yet",
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


def _variant_rows(columns: Sequence[Column], shipped: EvaluationRow) -> list[list[str]]:
    return [
        [f"LIBERO-PRO: {CHANGES[row.suite]}", _success(row), f"the suite itself: {shipped.success_rate:.1%}"]
        for row in columns[0][1]
    ]


def _speed_rows(suite: Sequence[Column], speed: Sequence[Column]) -> list[list[str]]:
    (run, rows), timed = suite[0], {row.decoder: row for row in speed[0][1]}
    accepted, rounds = rows[0].acceptance["token_acceptance"], rows[0].rounds_mean
    beside = ", ".join(f"`{name}` {_chunk(timed[name])}" for name in (LAYERWISE, TEACHER))
    return [
        ["drafted tokens accepted, rounds a chunk", f"**{accepted:.1%}**, {rounds:.2f}", f"layer by layer: {LAYERS}"],
        ["one chunk of 8 actions, p50 / p99", f"**{_chunk(timed[rows[0].decoder])}**", beside],
        [
            "from nothing to the first report",
            f"**{run.seconds_to_report / 60:.1f} minutes**",
            f"{run.demonstrations} demonstrations and four trainings included, on a card that two seeds shared; an "
            f"earlier run alone on it: {speed[0][0].seconds_to_report / 60:.1f}",
        ],
    ]


def _success(row: EvaluationRow) -> str:
    return write_success(row.successes, row.episodes, row.interval, digits=1)


def _finest(row: EvaluationRow) -> str:
    pooled = row.finest_tasks
    return "-" if pooled is None else write_success(pooled.successes, pooled.episodes, pooled.interval, digits=1)


def _paired(row: EvaluationRow) -> str:
    paired = row.paired
    if paired is None:
        return "-"
    return f"{100 * paired.difference:+.1f} points, p {paired.p_value:.2g}"


def _chunk(row: EvaluationRow) -> str:
    if row.chunk_ms_p50 is None or row.chunk_ms_p99 is None:
        return "-"
    return write_chunk_time(row.chunk_ms_p50, row.chunk_ms_p99)
