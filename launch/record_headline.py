"""Makes the README's table of the shipped checkpoint from the kept figures.

    python -m launch.record_headline --readme README.md

Reads what `launch.record_suite` wrote into ``results/``; prints the section, and puts it between its markers.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval_bridge.evidence.headline import SECTION, describe
from eval_bridge.report.markdown import renew


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.record_headline", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="the kept figures")
    parser.add_argument("--readme", type=Path, metavar="DOCUMENT", help="also put the section between its markers")
    options = parser.parse_args(arguments)
    try:
        section = describe(options.results, options.readme or Path("README.md"))
        if options.readme is not None:
            renew(options.readme, SECTION, section)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(section)


if __name__ == "__main__":
    main(sys.argv[1:])
