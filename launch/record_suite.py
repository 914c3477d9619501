r"""Keeps the published figures of a suite: one JSON file, and a document's section made from it.

    python -m launch.record_suite runs/libero_spatial runs/libero_spatial_seed1 \
        --results results/libero_spatial.json --readme docs/results.md
    python -m launch.record_suite runs/libero_spatial --suite libero_pro --results results/libero_pro.json \
        --readme docs/results.md

One folder for each training seed; every complete evaluation of the suite in it (``evaluation``, ``evaluation_*``) is a
row. ``--suite libero_pro`` takes the evaluations on LIBERO-PRO's variants of libero_spatial instead. Nothing but
intervals and paired statistics is computed here: every figure is copied from what the stages of the runs wrote.
Without a run, the section is made again from the file.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.suite_record import as_json, from_json
from eval_bridge.evidence.suite_results import BASE, VARIANTS, describe, read_columns
from eval_bridge.report.markdown import renew
from launch.command_line import path_argument, run_command
from rsd_jax.atomic_files import write_atomically
from rsd_jax.checkpoints import CheckpointError

README = Path("README.md")
"""What links are relative to where no document is named."""


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.record_suite", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("runs", nargs="*", type=path_argument, metavar="RUN_DIR", help="folder of a finished pipeline")
    parser.add_argument("--suite", default=BASE, help=f"a suite, or {VARIANTS} (default: {BASE})")
    parser.add_argument(
        "--results", required=True, type=path_argument, metavar="FILE", help="where the figures are kept"
    )
    parser.add_argument(
        "--readme", type=path_argument, metavar="DOCUMENT", help="also put the section between its markers, which are "
        "called as the file of --results is"
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.runs:
        columns = read_columns(options.runs, options.suite)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.results, json.dumps(as_json(columns), indent=1, allow_nan=False) + "\n")
    else:
        columns = from_json(json.loads(options.results.read_text()))
    section = describe(columns, options.suite, options.results, options.readme or README)
    if options.readme is not None:
        renew(options.readme, options.results.stem, section)
    print(section)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]), expected=(ValueError, OSError, CheckpointError))
