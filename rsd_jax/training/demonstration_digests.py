"""Digests of demonstration files by their content, taken once a file and not at every start of a training."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsd_jax.content_check import read_checked_json, write_checked_json
from rsd_jax.folder_lock import one_at_a_time

_SECONDS_UNTIL_SETTLED = 10.0
"""A file that is younger may be written again within the same tick of the clock that stamps it."""


def content_digests(files: Sequence[Path], notes: Path) -> list[bytes]:
    """The BLAKE2b digest of every file.

    Args:
        files: are read, but for those whose size, time and inode are still those of their note.
        notes: where digests are noted, for all processes. It may be removed at any time.

    Raises:
        OSError: a file cannot be read, or a note not be written.
    """
    notes.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(notes.with_name(f".{notes.name}.lock")):
        known = _read(notes)
        found = {str(file): _note(file, known.get(str(file), {})) for file in files}
        settled = {
            name: note for name, note in found.items() if time.time_ns() - note["time"] > 1e9 * _SECONDS_UNTIL_SETTLED
        }
        if settled != known:
            write_checked_json(notes, settled)
    return [bytes.fromhex(found[str(file)]["digest"]) for file in files]


def _note(file: Path, known: dict[str, Any]) -> dict[str, Any]:
    """What is to be known of `file`: `known`, or anew."""
    status = file.stat()
    stamp = {"size": status.st_size, "time": status.st_mtime_ns, "inode": status.st_ino}
    if known.items() >= stamp.items():
        return known
    with file.open("rb") as content:
        return {**stamp, "digest": hashlib.file_digest(content, "blake2b").hexdigest()}


def _read(notes: Path) -> dict[str, Any]:
    try:
        return read_checked_json(notes)
    except (FileNotFoundError, ValueError):  # none yet, or damaged: what it told is taken anew
        return {}
