"""Keeps the figures of success over delay, draws them, and puts their table into a document.

    python -m launch.record_delay FOLDERS --results results/delay.json --document docs/delay.md

Reads finished evaluations of the same starts (`launch.sweep_delays` makes them); writes their rows, and a page with
plots beside them. With ``--add`` the file's other rows stay, so that cells can be run on several machines. Without
folders only the page and the table are made anew, from the file.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.delay_rows import add_kept_rows, read_delay_results
from eval_bridge.evidence.delay_section import SECTION, describe
from eval_bridge.report.delay.page import write_page
from eval_bridge.report.markdown import renew
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_json
from rsd_jax.content_check import read_checked_json


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.record_delay", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folders", type=path_argument, nargs="*", metavar="FOLDER", help="of an evaluation")
    parser.add_argument(
        "--results", type=path_argument, default=Path("results/delay.json"), metavar="FILE.json", help="the figures"
    )
    parser.add_argument(
        "--document", type=path_argument, metavar="FILE", help="also put the table between its markers"
    )
    parser.add_argument("--add", action="store_true", help="keep the file's rows of cells that no FOLDER is of")
    options = parser.parse_args(arguments)
    results: Path = options.results
    if results.suffix != ".json":
        raise ValueError(f"--results={results} must end in .json; the page gets the same name with .html")
    if options.folders:
        figures = read_delay_results(options.folders)
        if options.add and results.exists():
            figures = add_kept_rows(read_checked_json(results), figures)
        results.parent.mkdir(parents=True, exist_ok=True)
        write_json(results, figures)
    page = results.with_suffix(".html")
    write_page(json.loads(results.read_text(encoding="utf-8")), page)
    section = describe(results, options.document or results)
    if options.document is not None:
        renew(options.document, SECTION, section)
    print(f"{section}\n\n{results}\n{page}")


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
