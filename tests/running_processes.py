"""Which processes of the machine run, told by a variable of their environment."""

import contextlib
import time
from pathlib import Path


def processes_with(variable):
    """Ids of the running processes whose environment has ``NAME=value``; those that have ended and wait are none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if variable.encode() in path.read_bytes().split(bytes(1)):
                found.append(int(path.parent.name))
    return found


def wait_until(holds, seconds=120.0):
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)
