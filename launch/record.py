"""Keeps the figures of finished runs: one JSON file, and a document's table made from it.

    python -m launch.record runs/quickstart runs/second --results results/quickstart.json --readme docs/results.md

    python -m launch.record runs/third --keep --results results/quickstart.json --readme docs/results.md

Nothing is computed here: every figure is copied from what the stages of the runs wrote. Without a run, the table is
made again from the file.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from eval_bridge.evidence.quickstart_section import SECTION, describe, read_run, table
from eval_bridge.report.markdown import renew
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_atomically


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m launch.record", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="*", type=path_argument, metavar="RUN_DIR", help="folder of a finished pipeline")
    parser.add_argument(
        "--results", required=True, type=path_argument, metavar="FILE", help="where the figures are kept"
    )
    parser.add_argument(
        "--readme", type=path_argument, metavar="DOCUMENT", help="also put the table between its markers"
    )
    parser.add_argument("--keep", action="store_true", help="put the runs behind those that FILE already holds")
    options = parser.parse_args(arguments)
    kept = json.loads(options.results.read_text()) if options.keep or not options.runs else {"runs": []}
    runs = [*kept["runs"], *(read_run(run_dir) for run_dir in options.runs)]
    if options.runs:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.results, json.dumps({**kept, "runs": runs}, indent=1) + "\n")
    if options.readme is not None:
        renew(options.readme, SECTION, describe(runs, options.results, options.readme))
    print(table(runs))


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
