"""Rows in batches of one size, so that one compiled program serves all."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
