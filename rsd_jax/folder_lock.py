"""One writer at a time: a folder or a file that a process marks as its own, with its name on the mark."""

import errno
import fcntl
import json
import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)
"""What file systems answer that have none, some of clusters for example."""

_LOGGER = logging.getLogger(__name__)


class InUseError(ValueError):
    """Another process writes there."""


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Marks `path` as in use by this process until the block ends, however it ends: the mark of a dead one is void.

    The mark, ``.NAME.lock``, stands beside `path`, which need not exist; the folders above it are made.

    Raises:
        InUseError: another process has it; the message names that one, and what to do.
        OSError: the folder cannot be written.
    """
    real = path.resolve()  # two links to one folder are the same folder
    mark = real.with_name(f".{real.name}.lock")
    mark.parent.mkdir(parents=True, exist_ok=True)
    with _locked(mark, path) as file:
        file.truncate(0)
        json.dump(_this_process(), file)
        file.flush()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)  # while it is locked, so that nobody else's is removed


def marked_inside(folder: Path) -> list[Path]:
    """What bears a mark of `in_use` anywhere in `folder`: that of a process that writes there, or of a dead one."""
    return sorted(mark.with_name(mark.name[1 : -len(".lock")]) for mark in folder.rglob(".*.lock"))


@contextmanager
def one_at_a_time(mark: Path) -> Iterator[None]:
    """A block that processes enter one after the other: each waits until the others have left it.

    Args:
        mark: a file that is made where it is missing, and stays.

    Raises:
        OSError: it cannot be written.
    """
    with mark.open("w") as file:
        _lock(file, fcntl.LOCK_EX, mark)
        yield


def _lock(file: IO[str], operation: int, path: Path) -> bool:
    """Locks an open file, and says whether the file system has locks; one that has none is told of in the log."""
    try:
        fcntl.flock(file, operation)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _LOGGER.warning("%s: no locks there (%s); see to it that nothing else writes there", path, error)
        return False
    return True


def _locked(mark: Path, path: Path) -> IO[str]:
    """The file `mark`, open and locked."""
    while True:
        file = mark.open("a+")
        try:
            if not _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path) or _is_still(mark, file):
                return file
        except BlockingIOError as error:
            message = f"{path} is in use by {_holder(file)}; wait for it, end it, or name another folder"
            file.close()
            raise InUseError(message) from error
        except OSError:
            file.close()
            raise
        file.close()


def _is_still(mark: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(mark.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:  # its holder removed it between our opening and locking it
        return False


def _this_process() -> dict[str, str | int]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "command": shlex.join(sys.orig_argv),
        "since": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
    }


def _holder(file: IO[str]) -> str:
    """Who wrote the mark; it may be about to."""
    file.seek(0)
    text = file.read()
    try:
        holder = json.loads(text)
    except ValueError:
        return "another process"
    return f"process {holder['pid']} on {holder['host']} ({holder['command']}) since {holder['since']}"
