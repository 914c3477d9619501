"""How a command ends: an error that is the user's to fix and Ctrl-C are one line, not a traceback."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

STOPPED = 130
"""Exit status after Ctrl-C: 128 plus the signal's number, as shells report it."""


def run_command(command: Callable[[], None], expected: tuple[type[Exception], ...] = (ValueError, OSError)) -> None:
    """Calls `command` and ends the process where it does not return.

    Args:
        command: the whole command, from its arguments to its last line.
        expected: errors that are the user's to fix. With the variable ``RSD_TRACEBACK`` set they show their origin.

    Raises:
        SystemExit: an expected error or Ctrl-C, told in one line on standard error; or what `command` itself raised.
    """
    try:
        command()
    except expected as error:
        if os.environ.get("RSD_TRACEBACK"):
            raise
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("stopped by Ctrl-C; the same command runs what is missing", file=sys.stderr)
        sys.exit(STOPPED)


def path_argument(text: str) -> Path:
    """A path as it was typed, ``~`` being the home folder: shells leave it alone in ``--out=~/FILE``."""
    return Path(text).expanduser()
