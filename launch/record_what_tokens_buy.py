"""Puts the table of what tokens buy into a document.

    python -m launch.record_what_tokens_buy --results results/what_tokens_buy.json --document docs/decoding.md

Reads what `launch.what_tokens_buy` wrote; prints the section, and puts it between its markers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.what_tokens_buy import SECTION, describe
from eval_bridge.report.markdown import renew
from launch.command_line import path_argument, run_command


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.record_what_tokens_buy", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--results",
        type=path_argument,
        default=Path("results/what_tokens_buy.json"),
        metavar="FILE",
        help="the figures",
    )
    parser.add_argument(
        "--document", type=path_argument, metavar="FILE", help="also put the section between its markers"
    )
    options = parser.parse_args(arguments)
    section = describe(options.results, options.document or Path("docs/decoding.md"))
    if options.document is not None:
        renew(options.document, SECTION, section)
    print(section)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
