"""How a command ends: an error that is the user's to fix and Ctrl-C are one line, not a traceback."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rsd_jax.distributed.device import NoDeviceError, require_device

STOPPED = 130
"""Exit status after Ctrl-C: 128 plus the signal's number, as shells report it."""


def run_command(command: Callable[[], None], expected: tuple[type[Exception], ...] = (ValueError, OSError)) -> None:
    """Calls `command` and ends the process where it does not return.

    Args:
        command: the whole command, from its arguments to its last line.
        expected: errors that are the user's to fix. With the variable ``RSD_TRACEBACK`` set they show their origin.

    Raises:
        SystemExit: an expected error, Ctrl-C, or no device for JAX, told in one line on standard error; or what
            `command` itself raised.
    """
    try:
        command()
    except expected as error:
        if os.environ.get("RSD_TRACEBACK"):
            raise
        sys.exit(f"error: {error}")
    except (RuntimeError, AssertionError):
        if "jax" in sys.modules and not os.environ.get("RSD_TRACEBACK"):
            _exit_without_device()
        raise
    except KeyboardInterrupt:
        print("stopped by Ctrl-C; the same command runs what is missing", file=sys.stderr)
        sys.exit(STOPPED)


def _exit_without_device() -> None:
    """Ends the process if JAX starts no device, which it says in its own way at the first use, wherever that is."""
    try:
        require_device()
    except NoDeviceError as error:
        sys.exit(f"error: {error}")


def path_argument(text: str) -> Path:
    """A path as it was typed, ``~`` being the home folder: shells leave it alone in ``--out=~/FILE``.

    Raises:
        ArgumentTypeError: there is no such home folder.
    """
    try:
        return in_home(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def in_home(text: str) -> Path:
    """The path `text`, ``~`` or ``~USER`` at its beginning being a home folder.

    Raises:
        ValueError: there is no such home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        user = text.partition("/")[0]
        whose = "HOME is not set, and this user has none" if user == "~" else f"there is no user {user[1:]!r}"
        raise ValueError(f"{text!r} lies in no home folder: {whose}; write the path without ~, or ./{text}") from error
