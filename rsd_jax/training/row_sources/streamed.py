"""Rows in the memory of every host, or in files mapped there: batches are gathered by threads and copied ahead."""

from collections import defaultdict, deque
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from rsd_jax.array_types import PyTree
from rsd_jax.distributed.sharding_rules import batch_sharding
from rsd_jax.training.row_sources.interface import Batch, Dispatch, Rows, row_bytes
from rsd_jax.training.row_sources.prefetch import prefetch
from rsd_jax.training.row_sources.row_order import RowOrder


class _Gathered(NamedTuple):
    """Rows in the host's memory: name -> ``[*leading, ...]``, with `leading` of one step (rows) or several."""

    leading: tuple[int, ...]
    arrays: dict[str, NDArray[Any]]


class StreamedRows:
    """Gathers on the host, of every global batch only the rows that this process's devices hold."""

    def __init__(self, rows: Rows, order: RowOrder, mesh: Mesh, num_threads: int) -> None:
        """Prepares gathering.

        Args:
            rows: arrays in memory or memory-mapped.
            order: which rows a step takes.
            mesh: of `rsd_jax.distributed.mesh.make_mesh`.
            num_threads: threads that gather; a thread works on a whole dispatch.
        """
        # NumPy would copy an array of another layout whole at every call.
        self._rows = {name: np.ascontiguousarray(array) for name, array in rows.items()}
        self._order, self._num_threads = order, num_threads
        self._sharding = batch_sharding(mesh)
        self._stack_sharding = NamedSharding(mesh, PartitionSpec(None, *self._sharding.spec))
        self._local = _local_positions(self._sharding, order.batch_size)
        # The system clears fresh memory page by page, which takes longer than gathering into it. On a CPU memory may
        # become the array itself, so there it is never used again.
        self._reuses_memory = mesh.devices.flat[0].platform != "cpu"
        self._unused: dict[tuple[int, ...], deque[_Gathered]] = defaultdict(deque)

    @property
    def resident(self) -> PyTree:
        """Nothing."""
        return ()

    def feed(self, dispatches: Sequence[Dispatch]) -> Generator[Batch, None, None]:
        """The batches of every dispatch, on the devices."""
        most_steps = max((dispatch.num_steps for dispatch in dispatches), default=1)
        dispatch_bytes = most_steps * len(self._local) * row_bytes(self._rows)
        return prefetch(dispatches, self._gather, self._place, self._num_threads, dispatch_bytes)

    def read(self, resident: PyTree, fed: Batch) -> Batch:
        """What was fed is the batch."""
        del resident
        return fed

    def _gather(self, dispatch: Dispatch) -> _Gathered:
        """This process's rows of a dispatch; several threads at once."""
        local = self._order.indices(dispatch)[..., self._local]
        gathered = self._memory(local.shape)
        for name, array in self._rows.items():
            # Whole rows, copied outside of the interpreter's lock. Without a mode NumPy would gather into a copy of
            # `out`, until it has checked all indices.
            np.take(array, local, axis=0, out=gathered.arrays[name], mode="clip")
        return gathered

    def _memory(self, leading: tuple[int, ...]) -> _Gathered:
        try:
            return self._unused[leading].pop()
        except IndexError:
            new = {name: np.empty(leading + array.shape[1:], array.dtype) for name, array in self._rows.items()}
            return _Gathered(leading, new)

    def _place(self, gathered: _Gathered) -> Batch:
        """Copies onto the devices; one thread alone."""
        *steps, _ = gathered.leading
        sharding = self._stack_sharding if steps else self._sharding
        placed = {}
        for name, values in gathered.arrays.items():
            shape = (*steps, self._order.batch_size, *self._rows[name].shape[1:])
            placed[name] = jax.make_array_from_process_local_data(sharding, values, shape)
        if self._reuses_memory:
            jax.block_until_ready(placed)
            self._unused[gathered.leading].append(gathered)
        return placed


def _local_positions(sharding: NamedSharding, batch_size: int) -> NDArray[np.int64]:
    """Positions in the global batch of the rows that this process's devices hold, ascending and each once."""
    positions = np.arange(batch_size)
    slices = sharding.addressable_devices_indices_map((batch_size,)).values()
    return np.unique(np.concatenate([positions[index] for index in slices]))
