"""Where the rows of batches come from: types only."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree

Rows = Mapping[str, NDArray[Any]]
"""Training data: name -> array, all with one leading axis of rows."""

Batch = dict[str, jax.Array]
"""Rows of one step: name -> global array ``[batch_size, ...]``, its leading axis split over the devices."""


class Dispatch(NamedTuple):
    """One call of a compiled program: `num_steps` optimizer steps from `step` on."""

    step: int
    num_steps: int


class RowSource(Protocol):
    """Rows in one of the places where they can lie; for one (seed, step) all give the same batch, bit for bit."""

    @property
    def resident(self) -> PyTree:
        """Arrays that stay on the devices all the time: an argument of every call, never donated."""
        ...

    def feed(self, dispatches: Sequence[Dispatch]) -> Generator[PyTree, None, None]:
        """What each of `dispatches` needs beside `resident`, as global arrays, made ahead; close it if not used up.

        Of several steps the arrays have a leading axis of steps, of a single one they have none.
        """
        ...

    def read(self, resident: PyTree, fed: PyTree) -> Batch:
        """The batch of one step, inside of a compiled program."""
        ...


def count_rows(rows: Rows) -> int:
    """The common number of rows.

    Raises:
        ValueError: no rows, or arrays of different lengths.
    """
    lengths = {name: len(array) for name, array in rows.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"training rows must share one leading axis of at least 1 row, got {lengths}")
    return next(iter(lengths.values()))


def row_bytes(rows: Rows) -> int:
    """Bytes of one row, all arrays together."""
    return sum(array.dtype.itemsize * int(np.prod(array.shape[1:])) for array in rows.values())
