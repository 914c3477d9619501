"""The section about a suite: a column for each training seed, and what it means."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from eval_bridge.evidence.anchors import OPENVLA_OFT
from eval_bridge.evidence.figures_in_words import (
    write_accuracy_by_layer,
    write_commit,
    write_percents,
)
from eval_bridge.evidence.row_in_words import chunk_time_of, fine_grained_of, success_of
from eval_bridge.evidence.suite_rows import EvaluationRow
from eval_bridge.evidence.trained_run import TrainedRun
from eval_bridge.report.markdown import markdown_table

_COARSE = 3  # layers whose accuracy is told apart from the finer ones'

Column = tuple[TrainedRun, Sequence[EvaluationRow]]

Line = tuple[str, Callable[[Column], str]]
"""Of a table: what it says, and what it says of a column."""


def suite_table(columns: Sequence[Column]) -> str:
    """The table of a suite whose first row of each column is the headline.

    Args:
        columns: each training run with its evaluations; all by the same decoders.
    """
    first = columns[0][1]
    lines: list[Line] = [
        *((f"success of `{row.label}`", _of_row(index, success_of)) for index, row in enumerate(first)),
        ("OpenVLA-OFT as published, trained on human demonstrations", _of_row(0, _published)),
        *(
            (f"fine-grained tasks, `{row.label}`", _of_row(index, fine_grained_of))
            for index, row in enumerate(first)
            if row.fine_grained is not None
        ),
        *(
            (f"`{first[0].label}` minus `{row.label}`, same starts", _of_row(index, difference_of))
            for index, row in enumerate(first)
            if index > 0
        ),
        ("token acceptance, rounds a chunk (8 is layer by layer)", _of_row(0, acceptance_of)),
        *(
            (name, _of_acceptance(key))
            for name, key in (
                ("token acceptance by layer", "layer_acceptance"),
                ("token acceptance by latent column", "column_acceptance"),
                ("whole layers accepted, by layer", "whole_layer_acceptance"),
            )
            if first[0].acceptance.get(key)
        ),
        *((f"one chunk, `{row.label}`, p50 / p99", _of_row(index, chunk_time_of)) for index, row in enumerate(first)),
        *run_lines(columns),
    ]
    header = ["", *(f"seed {run.seed}" for run, _ in columns)]
    return markdown_table(header, [[name, *map(write, columns)] for name, write in lines])


def run_lines(columns: Sequence[Column]) -> list[Line]:
    """What the trainings of the runs found and took."""
    devices_differ = len({row.device for _, rows in columns for row in rows}) > 1
    return [
        *(
            (f"{name}{of_what}", _of_head(stage, labels))
            for labels, of_what in (
                ("_teacher", ", teacher's tokens"),
                ("_demonstrations", ", demonstrations' tokens"),
            )
            for stage, name in (
                ("draft", "draft: accuracy L0-L2, of finer ones"),
                ("main_head", "main head: accuracy L0-L2, L3-L7"),
            )
        ),
        *(
            (f"main head: accuracy L0-L7 and decoded L1, {how}, teacher's tokens", _of_decoding(kind))
            for kind, how in (("free_running", "layer by layer by itself"), ("one_pass", "one pass from its latents"))
            if f"{kind}_decoded_teacher" in columns[0][0].metrics["main_head"]
        ),
        ("policy: held-out L1, with other words, without images", lambda column: _policy_error(column[0])),
        *([("evaluated on", lambda column: _devices(column[1]))] if devices_differ else []),
        ("demonstrations (attempts)", lambda column: f"{column[0].demonstrations} ({column[0].attempts})"),
        ("minutes of each stage", lambda column: _stage_minutes(column[0])),
        ("minutes from nothing to the first report", lambda column: f"**{column[0].seconds_to_report / 60:.1f}**"),
        ("commit", lambda column: write_commit(column[1][0].commit)),
    ]


def variants_table(columns: Sequence[Column]) -> str:
    """The table of LIBERO-PRO's variants: a line for each suite."""
    header = ["", *(f"seed {run.seed}" for run, _ in columns)]
    lines = [
        [f"`{row.suite}`", *(success_of(rows[index]) for _, rows in columns)]
        for index, row in enumerate(columns[0][1])
    ]
    return markdown_table(header, lines)


SUITE_NOTE = (
    "Success with Wilson intervals; differences in points with bootstrap intervals over the episodes (b: solved by "
    "the first decoder alone, c: by the other alone, p: exact McNemar test); all intervals 95 %. Accuracies are of "
    "held-out episodes, informative digits only, in per cent with the majority class in brackets; the main head is "
    "told the true coarser digits unless it names them by itself: the mean of the layers, then each. L1 errors are "
    "in half-ranges of the actions."
)
VARIANTS_NOTE = "Success of `{decoder}` with 95 % Wilson intervals; nothing was trained on these suites."


def _of_row(index: int, write: Callable[[EvaluationRow], str]) -> Callable[[Column], str]:
    return lambda column: write(column[1][index])


def _of_acceptance(key: str) -> Callable[[Column], str]:
    return lambda column: write_percents(column[1][0].acceptance[key])


def _of_head(stage: str, labels: str) -> Callable[[Column], str]:
    return lambda column: _accuracy(column[0], stage, labels)


def _of_decoding(kind: str) -> Callable[[Column], str]:
    def write(column: Column) -> str:
        metrics = column[0].metrics["main_head"]
        accuracy = metrics[f"{kind}_accuracy_by_layer_teacher"]
        decoded = metrics[f"{kind}_decoded_teacher"]["l1"]
        return f"**{100 * fmean(accuracy):.1f}**: {write_percents(accuracy)}; {decoded:.4f}"

    return write


def _policy_error(run: TrainedRun) -> str:
    metrics = run.metrics["policy"]
    names = ("heldout_l1", "heldout_l1_reworded", "heldout_l1_zeroed_images")
    return ", ".join(f"{metrics[name]:.4f}" for name in names if name in metrics)


def _devices(rows: Sequence[EvaluationRow]) -> str:
    if len({row.device for row in rows}) == 1:
        return rows[0].device
    return "; ".join(f"`{row.label}`: {row.device}" for row in rows)


def _published(row: EvaluationRow) -> str:
    return OPENVLA_OFT.success_on(row.suite)


def difference_of(row: EvaluationRow) -> str:
    """Of the headline's success and the row's, on the same starts."""
    paired = row.paired
    if paired is None:
        return "-"
    low, high = paired.interval
    return (
        f"{100 * paired.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}), "
        f"b {paired.b}, c {paired.c}, p {paired.p_value:.2g}{''.join(f'; {text}' for text in paired.warnings)}"
    )


def acceptance_of(row: EvaluationRow) -> str:
    """Share of the drafted tokens that were accepted, and rounds a chunk."""
    token_acceptance = row.acceptance.get("token_acceptance")
    if token_acceptance is None or row.rounds_mean is None:
        return "-"
    return f"{token_acceptance:.1%}, {row.rounds_mean:.2f}"


def _accuracy(run: TrainedRun, stage: str, labels: str) -> str:
    metrics: dict[str, Any] = run.metrics[stage]
    parts = []
    for layers in (slice(0, _COARSE), slice(_COARSE, None)):
        chosen = {name: metrics[name][layers] for name in (f"accuracy_by_layer{labels}", f"majority_by_layer{labels}")}
        if not all(chosen.values()):
            continue
        accuracy, majority = (100 * fmean(values) for values in chosen.values())
        parts.append(f"**{accuracy:.1f}** ({majority:.1f}): {write_accuracy_by_layer(chosen, labels)}")
    return "; ".join(parts)


def _stage_minutes(run: TrainedRun) -> str:
    return ", ".join(f"{name} {stage.seconds / 60:.1f}" for name, stage in run.stages.items())
