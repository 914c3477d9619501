"""Rows that stay on the devices: a step takes only the indices of its rows."""

from collections.abc import Generator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from rsd_jax.distributed.sharding_rules import BATCH_AXES
from rsd_jax.training.row_sources.interface import Batch, Dispatch, Rows, count_rows
from rsd_jax.training.row_sources.prefetch import prefetch
from rsd_jax.training.row_sources.row_order import RowOrder

PIECE_BYTES = 2**28
"""Rows are copied onto a device in pieces of this size: whole tables would need as much pinned memory on the host."""

_WHOLE, _SPLIT = PartitionSpec(), PartitionSpec(BATCH_AXES)


class ResidentRows:
    """Gathers inside of the compiled step from tables on the devices, which are placed there once.

    Either every device holds all rows, or the devices among which a batch is split hold a part each. Then every one
    looks up the whole batch in its part, and the parts are summed as bytes: what lies elsewhere counts as zero.
    """

    def __init__(self, rows: Rows, order: RowOrder, mesh: Mesh, is_split: bool) -> None:
        """Places the rows; every process gives those that its devices hold.

        Args:
            rows: arrays in memory or memory-mapped.
            order: which rows a step takes.
            mesh: of `rsd_jax.distributed.mesh.make_mesh`.
            is_split: whether the rows are split over the devices; else each holds all.
        """
        self._order, self._mesh, self._is_split = order, mesh, is_split
        self._tables = _SPLIT if is_split else _WHOLE
        sharding = NamedSharding(mesh, self._tables)
        num_shards = mesh.shape["data"] * mesh.shape["fsdp"] if is_split else 1
        length = -(-count_rows(rows) // num_shards) * num_shards
        self._resident = {name: _place(array, length, sharding) for name, array in rows.items()}

    @property
    def resident(self) -> Batch:
        """The tables: name -> ``[rows, ...]``, filled up with zeros until the devices share them evenly."""
        return self._resident

    def feed(self, dispatches: Sequence[Dispatch]) -> Generator[jax.Array, None, None]:
        """The indices of every dispatch, ``int32``, whole on every device."""
        whole = NamedSharding(self._mesh, _WHOLE)

        def place(indices: NDArray[np.int32]) -> jax.Array:
            return jax.make_array_from_process_local_data(whole, indices, indices.shape)

        def gather(dispatch: Dispatch) -> NDArray[np.int32]:
            return self._order.indices(dispatch).astype(np.int32)

        return prefetch(dispatches, gather, place, num_threads=1, dispatch_bytes=0)

    def read(self, resident: Batch, fed: jax.Array) -> Batch:
        """The rows at the indices `fed` ``[batch_size]``, split over the devices."""
        look_up, indices = (_look_up_parts, _WHOLE) if self._is_split else (_look_up, _SPLIT)
        gather = jax.shard_map(look_up, mesh=self._mesh, in_specs=(self._tables, indices), out_specs=_SPLIT)
        # Gathered once, not anew by everything that reads the batch; and what follows is compiled as if it were fed.
        batch: Batch = jax.lax.optimization_barrier(gather(resident, fed))
        return batch


def _look_up(tables: Batch, indices: jax.Array) -> Batch:
    return {name: jnp.take(table, indices, axis=0, mode="clip") for name, table in tables.items()}


def _look_up_parts(parts: Batch, indices: jax.Array) -> Batch:
    """This device's rows of the batch, from the parts of all devices."""
    shard = jax.lax.axis_index(BATCH_AXES)
    batch = {}
    for name, part in parts.items():
        here = indices - shard * len(part)
        found = _to_bytes(jnp.take(part, here, axis=0, mode="clip"))
        is_here = ((here >= 0) & (here < len(part))).reshape(-1, *[1] * (found.ndim - 1))
        summed = jax.lax.psum_scatter(jnp.where(is_here, found, jnp.uint8(0)), BATCH_AXES, tiled=True)
        batch[name] = _from_bytes(summed, part.dtype)
    return batch


def _to_bytes(values: jax.Array) -> jax.Array:
    """``[...]`` as ``uint8 [..., bytes]``, or ``[...]`` of types of one byte: sums of bytes keep -0.0 and NaN."""
    return values.astype(jnp.uint8) if values.dtype == np.bool_ else jax.lax.bitcast_convert_type(values, jnp.uint8)


def _from_bytes(values: jax.Array, dtype: np.dtype) -> jax.Array:
    return values.astype(bool) if dtype == np.bool_ else jax.lax.bitcast_convert_type(values, dtype)


def _place(array: NDArray[np.generic], length: int, sharding: NamedSharding) -> jax.Array:
    """`array` with zeros behind it up to `length` rows, as one global array."""
    shape = (length, *array.shape[1:])
    parts = []
    for device, index in sharding.addressable_devices_indices_map(shape).items():
        begin, end, _ = index[0].indices(length) if index else (0, length, 1)
        parts.append(_fill(array[begin:end], (end - begin, *array.shape[1:]), device))
    return jax.make_array_from_single_device_arrays(shape, sharding, parts)


def _fill(rows: NDArray[np.generic], shape: tuple[int, ...], device: jax.Device) -> jax.Array:
    """`rows` on `device` with zeros behind them, copied piece by piece into memory that is taken once."""
    with jax.default_device(device):
        filled = jnp.zeros(shape, jax.dtypes.canonicalize_dtype(rows.dtype))
        piece = min(len(rows), max(1, PIECE_BYTES // max(1, rows[:1].nbytes)))
        for start in range(0, len(rows), max(1, piece)):
            start = min(start, len(rows) - piece)  # the last overlaps, so that all are of one size
            filled = _write(filled, jax.device_put(rows[start : start + piece], device), start)
    return filled


@partial(jax.jit, donate_argnums=0)
def _write(filled: jax.Array, rows: jax.Array, start: int) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(filled, rows, start, axis=0)
