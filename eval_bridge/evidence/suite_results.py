"""The published figures of a suite: read from the folders of its runs, and as a section of a document."""

from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.figures_in_words import describe_source
from eval_bridge.evidence.suite_rows import EvaluationRow, read_suite_rows, read_variant_rows
from eval_bridge.evidence.suite_section import SUITE_NOTE, VARIANTS_NOTE, Column, suite_table, variants_table
from eval_bridge.evidence.suites_section import SUITES_NOTE, suites_table
from eval_bridge.evidence.trained_run import read_trained_run
from eval_bridge.runs.run_record import read_identity
from rsd_jax.run_folder import HEADLINE, of_suite

BASE, VARIANTS = "libero_spatial", "libero_pro"


def read_columns(run_dirs: Sequence[Path], suite: str) -> list[Column]:
    """Each run with its evaluations of `suite`.

    Raises:
        ValueError: something is missing or does not fit together; the message names it and what makes it.
    """
    columns: list[Column] = []
    for run_dir in run_dirs:
        columns.append((read_trained_run(run_dir), _rows(run_dir, suite)))
    names = [[(row.decoder, row.folder) for row in rows] for _, rows in columns]  # fitted settings may differ
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


def _rows(run_dir: Path, suite: str) -> list[EvaluationRow]:
    identity = read_identity(run_dir)
    seed, suites = identity.seed, identity.suites
    if suite == VARIANTS:
        return read_variant_rows(run_dir, seed, BASE)
    if not suites:
        return read_suite_rows(run_dir, seed, suite)
    if suite != identity.variant:
        raise ValueError(f"{run_dir} learned {', '.join(suites)} together: name them by --suite {identity.variant}")
    return [row for each in suites for row in read_suite_rows(run_dir, seed, each, of_suite(HEADLINE, each))]


def describe(columns: Sequence[Column], suite: str, results: Path, document: Path) -> str:
    """The section of `document`: the table, how to read it, and where its figures come from."""
    headline = columns[0][1][0]
    source = describe_source(headline.device, dict(headline.versions), results, document, "record_suite")
    if suite == VARIANTS:
        return f"{variants_table(columns)}\n\n{VARIANTS_NOTE.format(decoder=headline.decoder)} {source}"
    if columns[0][0].suites:
        return f"{suites_table(columns)}\n\n{SUITES_NOTE} {source}"
    return f"{suite_table(columns)}\n\n{SUITE_NOTE} {source}"
