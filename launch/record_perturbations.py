"""Keeps the figures of success under LIBERO-Plus's perturbations, and puts their table into a document.

    python -m launch.record_perturbations FOLDERS --results results/libero_plus.json --document docs/results.md

Reads finished evaluations from evaluation states by the same checkpoints, perturbed ones and, to compare with, one
that is not. Without folders only the table is made anew, from the file.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.perturbation_rows import read_perturbation_results
from eval_bridge.evidence.perturbation_section import SECTION, describe
from eval_bridge.report.markdown import renew
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.record_perturbations", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folders", type=path_argument, nargs="*", metavar="FOLDER", help="of an evaluation")
    default = Path("results/libero_plus.json")
    parser.add_argument("--results", type=path_argument, default=default, metavar="FILE.json", help="the figures")
    parser.add_argument(
        "--document", type=path_argument, metavar="FILE", help="also put the table between its markers"
    )
    options = parser.parse_args(arguments)
    results: Path = options.results
    if options.folders:
        figures = read_perturbation_results(options.folders)
        results.parent.mkdir(parents=True, exist_ok=True)
        write_json(results, figures)
    section = describe(results, options.document or results)
    if options.document is not None:
        renew(options.document, SECTION, section)
    print(section)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
