"""Trees of arrays in a folder. The one file that knows Orbax."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np
import orbax.checkpoint.experimental.v1 as ocp
import tensorstore
from flax.traverse_util import empty_node, flatten_dict, unflatten_dict

from rsd_jax.array_types import PyTree
from rsd_jax.distributed import hosts

Writing: TypeAlias = ocp.AsyncResponse[None]
"""Arrays that are being written; all its threads go on by themselves."""

_PIECEWISE = "state"
"""What Orbax calls the one tree of a folder that was written piece by piece; the named trees are its branches."""

_SECONDS_OF_STILLNESS = 0.5
_MOST_SECONDS_UNTIL_STILL = 30.0


def begin_writing(directory: Path, trees: dict[str, PyTree]) -> Writing:
    """Begins to write named trees into the new folder `directory`; returns when they are copied to the host's memory.

    Every process of the run must call it, from the thread that runs the steps if there are several: Orbax compares
    their folders by a computation on all devices.

    Raises:
        OSError: this process could not write. ValueError: the same, as Orbax reports a full disk.
    """
    return ocp.save_checkpointables_async(directory.absolute(), trees)


def finish_writing(writing: Writing, directory: Path) -> None:
    """Waits, in any thread, until all processes have written; the primary process then finds the arrays of all.

    Raises:
        OSError: this process could not write. ValueError: the same, as Orbax reports a full disk.
    """
    writing.result()
    if hosts.is_primary():
        _forget_the_place(directory)


def _forget_the_place(directory: Path) -> None:
    """Takes out the folder's name that Orbax writes: what a checkpoint holds shall not depend on where it was made."""
    marker = directory / "commit_success.txt"
    if marker.exists():
        marker.write_text("committed\n")


def write_piecewise(directory: Path, pieces: Iterable[dict[str, PyTree]]) -> None:
    """Writes named trees into the new folder `directory`, of which never more than a few pieces are in memory.

    Read like what `begin_writing` writes. This process must be the run's only one.

    Args:
        directory: the folder.
        pieces: nested dicts of arrays, which together are the named trees; no two have a leaf in common.

    Raises:
        OSError: it could not be written; whatever `pieces` raises is left as it is.
        After either nothing is written any more.
    """
    try:
        for piece in pieces:
            _save_piece(directory, piece)
        ocp.partial.finalize(directory.absolute())
    except (OSError, ValueError):
        wait_until_still(directory.parent)
        raise
    _forget_the_place(directory)


def _save_piece(directory: Path, piece: dict[str, PyTree]) -> None:
    try:
        ocp.partial.save(directory.absolute(), piece)
    except ValueError as error:
        raise OSError(str(error)) from error  # so Orbax reports a full disk


def wait_until_still(directory: Path) -> None:
    """Waits until nothing changes any more in `directory`, so that whoever removes it then has removed it.

    Orbax tells of the first file that failed; the threads that write the others go on, and nothing waits for them.
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
        directory: what `begin_writing` has written.
        name: of the tree.
        shardings: nested dicts like the stored ones with a `jax.sharding.Sharding` for every array: every device reads
            its part alone. By default all arrays lie on this process's default device.

    Raises:
        ValueError: `shardings` are of another tree.
    """
    trees = describe_trees(directory)
    if shardings is None:
        as_numpy = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), trees[name])
        # `jnp.asarray` would compile a program for every shape.
        return jax.device_put(_read(directory, trees, name, as_numpy))
    abstract = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), trees[name], shardings
    )
    return _read(directory, trees, name, abstract)


def read_leaves(directory: Path, name: str, paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], np.ndarray]:
    """Some leaves of one tree, each under its keys from the outside in, in this process's memory and no device's.

    Raises:
        KeyError: the tree has no such leaf.
    """
    trees = describe_trees(directory)
    saved = flatten_dict(trees[name], keep_empty_nodes=True)
    wanted = {path: np.empty(saved[path].shape, saved[path].dtype) for path in paths}
    others = {path: leaf if leaf == empty_node else ocp.PLACEHOLDER for path, leaf in saved.items()}
    read = flatten_dict(_read(directory, trees, name, unflatten_dict({**others, **wanted})))
    return {path: np.asarray(read[path]) for path in wanted}


def describe_trees(directory: Path) -> dict[str, PyTree]:
    """The trees of a folder by name, with `shape` and `dtype` of every leaf."""
    described = dict(ocp.checkpointables_metadata(directory.absolute()).metadata)
    return dict(described[_PIECEWISE]) if _is_piecewise(directory) else described


def _is_piecewise(directory: Path) -> bool:
    return (directory / _PIECEWISE).is_dir()


def _read(directory: Path, trees: dict[str, PyTree], name: str, abstract: PyTree) -> Any:
    """The tree `name` of `trees`, as `abstract` asks for it, whether they were written at once or piece by piece."""
    if not _is_piecewise(directory):
        return read_like(directory, {name: abstract})[name]
    others = {other: jax.tree.map(lambda leaf: ocp.PLACEHOLDER, tree) for other, tree in trees.items()}
    return read_like(directory, {_PIECEWISE: {**others, name: abstract}})[_PIECEWISE][name]


def stream_leaves(directory: Path, name: str, path: tuple[str, ...]) -> Iterator[tuple[Any, np.ndarray]]:
    """The arrays of nested dicts, whole and one at a time, with their key paths; sorted as JAX sorts dicts.

    One process may call it alone, in any thread: where the arrays lay when they were written is of no account.

    Args:
        directory: what `begin_writing` has written.
        name: of the tree.
        path: keys that lead to those dicts within the tree.
    """
    tree = ocp.checkpointables_metadata(directory.absolute()).metadata[name]
    for key in path:
        tree = tree[key]
    for key_path, _ in jax.tree_util.tree_leaves_with_path(tree):
        stored = ".".join((*path, *(entry.key for entry in key_path)))
        # As Orbax reads it, without its exchange between processes, for which all would have to be here.
        location = {"driver": "ocdbt", "base": f"file://{directory.absolute()}/{name}/", "path": f"{stored}/"}
        array = tensorstore.open({"driver": "zarr3", "kvstore": location}, open=True, read=True).result()
        yield key_path, np.asarray(array.read().result())
