"""Trees of arrays in a folder. The one file that knows Orbax."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint.experimental.v1 as ocp

from rsd_jax.array_types import PyTree


def write_trees(directory: Path, trees: dict[str, PyTree]) -> None:
    """Writes named trees into the new folder `directory`; every process of the run must call it."""
    ocp.save_checkpointables(directory.absolute(), trees)
    marker = directory / "commit_success.txt"
    if jax.process_index() == 0 and marker.exists():
        # Orbax writes the folder's name into it; what a checkpoint holds shall not depend on where it was written.
        marker.write_text("committed\n")


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
        return jax.tree.map(jax.numpy.asarray, ocp.load_checkpointables(directory.absolute(), {name: as_numpy})[name])
    abstract = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), saved, shardings
    )
    return read_like(directory, {name: abstract})[name]
