"""The identity of trained parameters: one hash of all of them, taken leaf by leaf."""

import hashlib
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather

from rsd_jax.array_types import PyTree


def hash_params(params: PyTree) -> str:
    """SHA-256 of the paths and values of `params`, nested dicts of arrays; how they are sharded changes nothing.

    Every process of the run must call it, for a leaf may be split over several; never more than one is held whole.
    """
    return hash_leaves((path, _whole(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(params))


def hash_leaves(leaves: Iterable[tuple[Any, np.ndarray]]) -> str:
    """`hash_params` of key paths and arrays, in JAX's order."""
    digest = hashlib.sha256()
    for path, leaf in leaves:
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _whole(leaf: jax.Array) -> np.ndarray:
    """`leaf` in this process's memory."""
    if not leaf.is_fully_addressable:
        return np.asarray(process_allgather(leaf, tiled=True))
    # A copy: an array keeps what it has brought to the host for as long as it lives itself.
    return np.asarray(jax.device_put(leaf, leaf.sharding, may_alias=False))
