"""Makes the README's table of the published run and the shipped checkpoint from the kept figures.

    python -m launch.record_headline --readme README.md

Reads what `launch.record_suite` wrote into ``results/``; prints the section, and puts it between its markers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.headline import SECTION, describe
from eval_bridge.report.markdown import renew
from launch.command_line import path_argument, run_command


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.record_headline", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--results", type=path_argument, default=Path("results"), metavar="FOLDER", help="the kept figures"
    )
    parser.add_argument(
        "--readme", type=path_argument, metavar="DOCUMENT", help="also put the section between its markers"
    )
    options = parser.parse_args(arguments)
    section = describe(options.results, options.readme or Path("README.md"))
    if options.readme is not None:
        renew(options.readme, SECTION, section)
    print(section)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]))
