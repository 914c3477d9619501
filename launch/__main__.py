"""Lists the commands of the project.

    python -m launch

Each is ``python -m launch.COMMAND``, and ``--help`` says more about it.
"""

import sys
from collections.abc import Sequence

from launch.command_list import commands


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    others = [argument for argument in arguments if argument not in ("--help", "-h")]
    if others:
        sys.exit(f"error: {' '.join(others)}: write python -m launch.COMMAND; python -m launch lists the commands")
    print("python -m launch.COMMAND, of which --help says more:\n")
    lines = commands()
    width = max(map(len, lines))
    for name, line in lines.items():
        print(f"  {name:<{width}}  {line}")


if __name__ == "__main__":
    main(sys.argv[1:])
