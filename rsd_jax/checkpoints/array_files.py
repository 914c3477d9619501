"""Trees of arrays in a folder. The one file that knows Orbax."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint.experimental.v1 as ocp

from rsd_jax.array_types import PyTree
from rsd_jax.distributed import hosts

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_OF_STILLNESS = 0.5
_MOST_SECONDS_UNTIL_STILL = 30.0


def write_trees(directory: Path, trees: dict[str, PyTree]) -> None:
    """Writes named trees into the new folder `directory`; every process of the run must call it.

    Raises:
        OSError: this process could not write. ValueError: the same, as Orbax reports a full disk.
        OtherProcessFailed: another process could not write.
        After either nothing is written any more, so that whoever removes the folder has removed it.
    """
    try:
        _write_trees(directory, trees)
    except (OSError, ValueError):
        _wait_until_still(directory.parent)
        raise


def _write_trees(directory: Path, trees: dict[str, PyTree]) -> None:
    with hosts.all_or_none("making the folder of arrays"):
        saving = ocp.save_checkpointables_async(directory.absolute(), trees)
    is_written = False
    # Looked at again and again: at Orbax's own barrier a process would wait minutes for one that has failed before it.
    while not is_written:
        with hosts.all_or_none("writing arrays"):
            own_part = _is_written(saving)
        is_written = hosts.everywhere(own_part)
    marker = directory / "commit_success.txt"
    with hosts.all_or_none("marking the arrays as complete"):
        if hosts.is_primary() and marker.exists():
            # Orbax writes the folder's name into it; what a checkpoint holds shall not depend on where it was written.
            marker.write_text("committed\n")


def _is_written(saving: ocp.AsyncResponse[None]) -> bool:
    try:
        saving.result(timeout=_SECONDS_BETWEEN_LOOKS)
    except TimeoutError as error:
        if error.args:  # told by Orbax; that only these seconds are over is told without words
            raise
        return False
    return True


def _wait_until_still(directory: Path) -> None:
    """Orbax tells of the first file that failed; the threads that write the others go on, and nothing waits for them.

    They also make folders anew that somebody has removed.
    """
    seen, still_since, begin = None, time.monotonic(), time.monotonic()
    while (now := time.monotonic()) < begin + _MOST_SECONDS_UNTIL_STILL:
        if (content := _names_and_times(directory)) != seen:
            seen, still_since = content, now
        elif now > still_since + _SECONDS_OF_STILLNESS:
            return
        time.sleep(_SECONDS_OF_STILLNESS / 10)


def _names_and_times(directory: Path) -> set[tuple[str, int]]:
    found = set()
    with suppress(FileNotFoundError):  # of a folder that goes away under the eyes
        for path in directory.rglob("*"):
            with suppress(FileNotFoundError):
                found.add((str(path), path.stat().st_mtime_ns))
    return found


def read_like(directory: Path, abstract: dict[str, PyTree]) -> dict[str, PyTree]:
    """Reads trees in the structure, dtypes and shardings of `abstract` (`jax.ShapeDtypeStruct` leaves)."""
    return ocp.load_checkpointables(directory.absolute(), abstract)


def read_tree(directory: Path, name: str, shardings: PyTree = None) -> dict[str, Any]:
    """Reads one tree as nested dicts of arrays.

    Args:
        directory: what `write_trees` has written.
        name: of the tree.
        shardings: nested dicts like the stored ones with a `jax.sharding.Sharding` for every array: every device reads
            its part alone. By default all arrays lie on this process's default device.

    Raises:
        ValueError: `shardings` are of another tree.
    """
    saved = ocp.checkpointables_metadata(directory.absolute()).metadata[name]
    if shardings is None:
        as_numpy = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
        # `jnp.asarray` would compile a program for every shape.
        return jax.device_put(ocp.load_checkpointables(directory.absolute(), {name: as_numpy})[name])
    abstract = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), saved, shardings
    )
    return read_like(directory, {name: abstract})[name]
