"""The README's two tables: what policies reach on the four suites beside others, and the rest of what was measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from eval_bridge.evidence.anchors import MINT_30M, OPENVLA_OFT
from eval_bridge.evidence.figures_in_words import write_success
from eval_bridge.evidence.fine_grained import Pooled, pool
from eval_bridge.evidence.row_in_words import chunk_time_of, success_of
from eval_bridge.evidence.suite_record import from_json
from eval_bridge.evidence.suite_rows import EvaluationRow
from eval_bridge.evidence.suite_section import Column
from eval_bridge.policies.cascade import CASCADE
from eval_bridge.report.markdown import link_to, markdown_table

SECTION = "headline"

SUITES = {
    "libero_spatial": ("libero_spatial.json", "evaluation_runs/libero_spatial_smooth_h200.json"),
    "libero_object": ("libero_object.json",),
    "libero_goal": ("libero_goal.json",),
    "libero_10": ("libero_10.json",),
}
"""The files of each suite's own policies, the published one first; where there are several, all count."""

SHIPPED = "evaluation_runs/libero_spatial_abrupt_h100.json"
VARIANTS = "libero_pro.json"
CASCADE_FILE = "cascade.json"
"""The rows of the shipped checkpoint, on the suite and on LIBERO-PRO, and of cascades."""

LAYERWISE = "autoregressive"
TEACHER = "l1_regression"
LAYERS = 8
CHANGES = {
    "libero_spatial_lan": "other words",
    "libero_spatial_object": "other looks",
    "libero_spatial_swap": "exchanged positions",
    "libero_spatial_task": "the other bowl",
}
"""What LIBERO-PRO's variants change."""


def describe(results: Path, document: Path) -> str:
    """The section of `document`: the tables, and where their figures come from.

    Args:
        results: folder of the kept figures.
        document: that holds the section.

    Raises:
        OSError: a file is missing.
    """
    suites = {suite: [_first_column(results / name) for name in names] for suite, names in SUITES.items()}
    published = suites["libero_spatial"][0]
    shipped, variants = (_first_column(results / name) for name in (SHIPPED, VARIANTS))
    cascade = json.loads((results / CASCADE_FILE).read_text())
    rows = [*_cascade_rows(cascade), *_cost_rows(published), *_shipped_rows(shipped, variants)]
    links = {name: link_to(results / name, document) for name in (SHIPPED, VARIANTS, CASCADE_FILE)}
    own = ", ".join(link_to(results / name, document) for names in SUITES.values() for name in names)
    several = "".join(f"; {suite}: {len(columns)} policies" for suite, columns in suites.items() if columns[1:])
    devices = dict.fromkeys(rows[0].device for columns in suites.values() for _, rows in columns)
    return (
        f"{_suites_table(suites)}\n\n"
        f"A policy for each suite, trained from nothing on 500 demonstrations that a *script* made, decoded by "
        f"`{published[1][0].decoder}`; success in 500 episodes with 95 % Wilson intervals{several}. By "
        f"`{CASCADE}`: the first of these, where most calls skip the main backbone. "
        f"{OPENVLA_OFT.name}: {OPENVLA_OFT.learned_from}; {MINT_30M.name}: {MINT_30M.learned_from}. "
        f"{' and '.join(devices)} ({own}).\n\n"
        f"{markdown_table(['libero_spatial', 'measured', 'beside it'], rows)}\n\n"
        f"{published[1][0].device}; cascade: {links[CASCADE_FILE]}. The shipped checkpoint is older and learned from "
        f"abrupt motions: {shipped[1][0].device} ({links[SHIPPED]}), LIBERO-PRO on {variants[1][0].device} "
        f"({links[VARIANTS]}). Made by `python -m launch.record_headline`."
    )


def _first_column(path: Path) -> Column:
    """Of the published run; others, with other seeds, stand in the documents."""
    return from_json(json.loads(path.read_text()))[0]


def _suites_table(suites: Mapping[str, Sequence[Column]]) -> str:
    """A row a suite, their average, and the tasks in which centimetres decide."""
    headlines = {suite: [rows[0] for _, rows in columns] for suite, columns in suites.items()}
    of_suites = {suite: _pool(rows) for suite, rows in headlines.items()}
    fine_grained = _pool([row.fine_grained for rows in headlines.values() for row in rows if row.fine_grained])
    average = fmean(each.success_rate for each in of_suites.values())
    by_cascade = {suite: _by_cascade(columns[0]) for suite, columns in suites.items()}
    rows = [
        *(
            [suite, success_of(each), by_cascade[suite], OPENVLA_OFT.success_on(suite), MINT_30M.success_on(suite)]
            for suite, each in of_suites.items()
        ),
        ["average of the four", f"**{average:.1%}**", "", OPENVLA_OFT.average, MINT_30M.average],
        ["ten tasks in which centimetres decide", success_of(fine_grained), "", "-", "-"],
    ]
    return markdown_table(["", "ours", f"by `{CASCADE}`", OPENVLA_OFT.name, MINT_30M.name], rows)


def _by_cascade(column: Column) -> str:
    """Of the published policy, where it was evaluated by it."""
    found = [row for row in column[1] if row.decoder == CASCADE]
    return f"{found[0].successes} of {found[0].episodes}" if found else "-"


def _pool(counted: Sequence[EvaluationRow | Pooled]) -> Pooled:
    return pool([], [(each.episodes, each.successes) for each in counted])


def _cascade_rows(record: dict[str, Any]) -> list[list[str]]:
    """Of the settings that were named before."""
    return [
        [
            f"`{row['decoder']}`",
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
    published = f"{OPENVLA_OFT.name}: {OPENVLA_OFT.success_on(shipped.suite)}"
    by_change = ", ".join(f"{CHANGES[row.suite]} **{row.successes}**" for row in variants[1])
    (episodes,) = {row.episodes for row in variants[1]}
    return [
        ["the shipped checkpoint", success_of(shipped), published],
        ["the same on LIBERO-PRO", f"{by_change}, each of {episodes}", f"without: {shipped.success_rate:.1%}"],
    ]


def _cost_rows(column: Column) -> list[list[str]]:
    run, rows = column
    accepted, rounds = rows[0].acceptance["token_acceptance"], rows[0].rounds_mean
    timed = [row for row in rows if row.decoder in (LAYERWISE, TEACHER) and row.chunk_ms_p50 is not None]
    beside = ", ".join(f"`{row.decoder}` {chunk_time_of(row)}" for row in timed)
    teacher = next(row for row in rows if row.decoder == TEACHER)
    return [
        [f"`{TEACHER}`", success_of(teacher), f"speculative on the same starts: {_paired(teacher)}"],
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
