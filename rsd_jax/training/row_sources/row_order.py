"""Which rows a step takes, as a function of the seed and the step: the step is the whole data position."""

from functools import lru_cache

import grain
import numpy as np
from numpy.typing import NDArray

from rsd_jax.training.row_sources.interface import Dispatch


class RowOrder:
    """Order of the rows of all global batches; depends on no mesh, no number of processes, no place of the rows.

    Every epoch visits all rows once in a new order, drawn by Grain from (seed, epoch); batches run on over the ends of
    epochs. Safe to call from several threads.
    """

    def __init__(self, num_rows: int, batch_size: int, seed: int) -> None:
        """Determines the order of `num_rows` rows in batches of `batch_size`, over all processes, by `seed`."""
        self.batch_size = batch_size
        self._num_rows = num_rows
        # One permutation per epoch, not one element at a time: MapDataset.shuffle costs 20 us an element, which is
        # more than a whole step of a small network.
        epochs = grain.MapDataset.range(np.iinfo(np.int32).max).seed(seed)
        permutations = epochs.random_map(lambda epoch, generator: generator.permutation(num_rows))
        self._epoch_order = lru_cache(maxsize=4)(permutations.__getitem__)

    def indices(self, dispatch: Dispatch) -> NDArray[np.int64]:
        """Indices of the rows, in order: ``[batch_size]`` of a single step, ``[num_steps, batch_size]`` of several."""
        begin, count = dispatch.step * self.batch_size, dispatch.num_steps * self.batch_size
        flat = self._positions(begin, begin + count)
        return flat if dispatch.num_steps == 1 else flat.reshape(dispatch.num_steps, self.batch_size)

    def _positions(self, begin: int, end: int) -> NDArray[np.int64]:
        """Row indices at positions `begin` to `end`, exclusive, of the order of all epochs one after the other."""
        length = self._num_rows
        epochs = range(begin // length, (end - 1) // length + 1)
        parts = [self._epoch_order(epoch)[max(begin - epoch * length, 0) : end - epoch * length] for epoch in epochs]
        return np.concatenate(parts)
