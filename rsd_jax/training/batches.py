"""Batches as a function of the step: the step is the whole data position."""

from collections.abc import Mapping
from functools import lru_cache

import grain
import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

Rows = Mapping[str, NDArray[np.generic]]


class Batches:
    """Random-access, deterministic global batches from rows in memory.

    Every epoch visits all rows once in a new order, drawn by Grain from (seed, epoch); batches run on over the ends of
    epochs. The order of the global batch depends on no mesh and no number of processes: each process gathers only the
    rows that its devices hold.
    """

    def __init__(self, rows: Rows, batch_size: int, seed: int, sharding: NamedSharding) -> None:
        """Prepares batches.

        Args:
            rows: name -> array with one common leading axis.
            batch_size: rows of the global batch.
            seed: determines the order.
            sharding: of a batch's leading axis, `rsd_jax.distributed.sharding_rules.batch_sharding`.

        Raises:
            ValueError: no rows, arrays of different lengths, or a batch that the devices cannot share evenly.
        """
        self._num_rows = _common_length(rows)
        num_shards = sharding.num_devices // sharding.mesh.shape["tensor"]
        if batch_size % num_shards:
            raise ValueError(
                f"training.batch_size={batch_size} must be divisible by mesh data x fsdp = {num_shards}, so that "
                "every device gets the same number of rows"
            )
        self._rows = rows
        self._batch_size = batch_size
        self._sharding = sharding
        self._stack_sharding = NamedSharding(sharding.mesh, PartitionSpec(None, *sharding.spec))
        self._local = _local_positions(sharding, batch_size)
        # One permutation per epoch, not one element at a time: MapDataset.shuffle costs 20 us an element, which is
        # more than a whole step of a small network.
        epochs = grain.MapDataset.range(np.iinfo(np.int32).max).seed(seed)
        permutations = epochs.random_map(lambda epoch, generator: generator.permutation(self._num_rows))
        self._epoch_order = lru_cache(maxsize=2)(permutations.__getitem__)

    def row_indices(self, step: int) -> NDArray[np.int64]:
        """Indices ``[batch_size]`` of the rows of the global batch of `step`, in order."""
        return self._positions(step * self._batch_size, (step + 1) * self._batch_size)

    def at(self, step: int) -> dict[str, jax.Array]:
        """The global batch of `step`, each array ``[batch_size, ...]`` sharded over its leading axis."""
        return self._gather(self.row_indices(step), self._sharding)

    def stack(self, step: int, num_steps: int) -> dict[str, jax.Array]:
        """The global batches of `num_steps` steps from `step` on, each array ``[num_steps, batch_size, ...]``.

        The axis of steps is whole on every device, that of rows sharded as in `at`.
        """
        indices = self._positions(step * self._batch_size, (step + num_steps) * self._batch_size)
        return self._gather(indices.reshape(num_steps, self._batch_size), self._stack_sharding)

    def _positions(self, begin: int, end: int) -> NDArray[np.int64]:
        """Row indices at positions `begin` to `end`, exclusive, of the order of all epochs one after the other."""
        length = self._num_rows
        epochs = range(begin // length, (end - 1) // length + 1)
        parts = [self._epoch_order(epoch)[max(begin - epoch * length, 0) : end - epoch * length] for epoch in epochs]
        return np.concatenate(parts)

    def _gather(self, indices: NDArray[np.int64], sharding: NamedSharding) -> dict[str, jax.Array]:
        """Rows at global `indices` ``[..., batch_size]``, of which this process reads those that its devices hold."""
        local = indices[..., self._local]
        return {
            name: jax.make_array_from_process_local_data(sharding, array[local], indices.shape + array.shape[1:])
            for name, array in self._rows.items()
        }


def _common_length(rows: Rows) -> int:
    lengths = {name: len(array) for name, array in rows.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"training rows must share one leading axis of at least 1 row, got {lengths}")
    return next(iter(lengths.values()))


def _local_positions(sharding: NamedSharding, batch_size: int) -> NDArray[np.int64]:
    """Positions in the global batch of the rows that this process's devices hold, ascending and each once."""
    positions = np.arange(batch_size)
    slices = sharding.addressable_devices_indices_map((batch_size,)).values()
    return np.unique(np.concatenate([positions[index] for index in slices]))
