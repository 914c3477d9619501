"""Rows in batches of one size, so that one compiled program serves all."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree
from rsd_jax.distributed import hosts
from rsd_jax.training.row_sources import Rows


def equal_batches(rows: Mapping[str, Any], size: int, among: NDArray[np.integer] | None = None) -> Iterator[Rows]:
    """Cuts rows into batches of one size, the last filled up with its last row.

    Args:
        rows: arrays of equal length, or what is indexed like them. size: rows of a batch.
        among: indices of the rows to take, all by default.
    """
    chosen = np.arange(len(next(iter(rows.values())))) if among is None else among
    for start in range(0, len(chosen), size):
        index = chosen[np.minimum(np.arange(start, start + size), len(chosen) - 1)]
        yield {name: array[index] for name, array in rows.items()}


def map_rows(
    call: Callable[[Rows], PyTree], rows: Mapping[str, Any], size: int, among: NDArray[np.integer] | None = None
) -> PyTree:
    """What `call` makes of rows, some at a time, so that the device's memory does not grow with them.

    Args:
        call: of a batch; gives an array, or a tree of arrays, with an entry a row.
        rows, size, among: see `equal_batches`.

    Returns:
        The same for all rows that were taken, on the host.
    """
    count = len(next(iter(rows.values()))) if among is None else len(among)
    parts = [hosts.fetch(call(batch)) for batch in equal_batches(rows, size, among)]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:count], *parts)
