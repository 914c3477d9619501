"""The identity of trained parameters: one hash of all of them, taken leaf by leaf."""

import hashlib
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree


def hash_params(params: PyTree) -> str:
    """SHA-256 of the paths and values of `params`, nested dicts of arrays; how they are sharded changes nothing.

    Every process of the run must call it, for a leaf may be split over several; never more than one is held whole.
    """
    digest = ParamsDigest()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        digest.add(jax.tree_util.keystr(path), _whole(leaf))
    return digest.hexdigest()


class ParamsDigest:
    """The same of leaves that come one by one, in the order of `jax.tree.leaves`."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, path: str, leaf: NDArray[Any]) -> None:
        """The next leaf, and its path as `jax.tree_util.keystr` writes it."""
        self._digest.update(path.encode())
        self._digest.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)

    def hexdigest(self) -> str:
        """The hash of what was added."""
        return self._digest.hexdigest()


def _whole(leaf: jax.Array) -> np.ndarray:
    """`leaf` in this process's memory."""
    if not leaf.is_fully_addressable:
        return np.asarray(process_allgather(leaf, tiled=True))
    # A copy: an array keeps what it has brought to the host for as long as it lives itself.
    return np.asarray(jax.device_put(leaf, leaf.sharding, may_alias=False))
