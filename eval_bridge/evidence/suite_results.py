"""The published figures of a suite: of every training seed its evaluations and trainings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval_bridge.evidence.figures_in_words import describe_source
from eval_bridge.evidence.suite_rows import read_suite_rows, read_variant_rows
from eval_bridge.evidence.suite_section import SUITE_NOTE, VARIANTS_NOTE, Column, suite_table, variants_table
from eval_bridge.evidence.trained_run import read_seed, read_trained_run

BASE, VARIANTS = "libero_spatial", "libero_pro"

DEFINITIONS = {
    "interval": "95 %, of a success rate Wilson's score interval, of a paired difference a percentile bootstrap",
    "paired": "the seed's first row is the headline; over the episodes in common, difference = its success rate minus "
    "the other row's, b: episodes that the headline alone solved, c: the other alone, p_value: exact McNemar test",
    "seconds": "wall time of a stage's processes, compiling included, all pieces of an interrupted run together",
    "steps": "of trainings optimizer steps, of the collection demonstrated steps, of evaluations actions executed",
    "seconds_to_report": "sum over the stages from the collection to the headline's report",
}


def read_columns(run_dirs: Sequence[Path], suite: str) -> list[Column]:
    """Each run with its evaluations of `suite`.

    Raises:
        ValueError: something is missing or does not fit together; the message names it and what makes it.
    """
    columns: list[Column] = []
    for run_dir in run_dirs:
        seed = read_seed(run_dir)
        rows = read_variant_rows(run_dir, seed, BASE) if suite == VARIANTS else read_suite_rows(run_dir, seed, suite)
        columns.append((read_trained_run(run_dir), rows))
    names = [[(row.decoder, row.folder) for row in rows] for _, rows in columns]
    for run_dir, own in zip(run_dirs, names, strict=True):
        if own != names[0]:
            raise ValueError(
                f"{run_dir} has the evaluations {[name for _, name in own]}, and {run_dirs[0]} has "
                f"{[name for _, name in names[0]]}: finish them, so that every row stands for all seeds"
            )
    seeds = [run.seed for run, _ in columns]
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"the runs have the seeds {seeds}; name each seed once")
    return columns


def as_json(columns: Sequence[Column]) -> dict[str, Any]:
    """All figures: rows, training of every seed, metrics of the trained stages, and where they come from."""
    runs, headline = [run for run, _ in columns], columns[0][1][0]

    def metrics(stage: str) -> list[dict[str, Any]]:
        return [{"seed": run.seed, **run.metrics[stage]} for run in runs]

    return {
        "rows": [row.to_json() for _, rows in columns for row in rows],
        "training": {
            "seeds": [run.seed for run in runs],
            **runs[0].training_json(),
            "further_seeds": [{"seed": run.seed, **run.training_json()} for run in runs[1:]],
        },
        "heads": {stage: metrics(stage) for stage in ("draft", "main_head")},
        "policy": metrics("policy"),
        "tokenizer": metrics("rfsq"),
        "commit": headline.commit,
        "versions": dict(headline.versions),
        "device": headline.device,
        "definitions": DEFINITIONS,
    }


def describe(columns: Sequence[Column], suite: str, results: Path) -> str:
    """The README's section: the table, how to read it, and where its figures come from."""
    headline = columns[0][1][0]
    source = describe_source(headline.device, dict(headline.versions), results, "record_suite")
    if suite == VARIANTS:
        return f"{variants_table(columns)}\n\n{VARIANTS_NOTE.format(decoder=headline.decoder)} {source}"
    return f"{suite_table(columns)}\n\n{SUITE_NOTE} {source}"
