"""Memory of the host that a device reads and writes itself, so that what crosses is not copied on the way.

Arrays of NumPy reach a GPU by way of a pinned buffer that JAX fills, and results come back by another, each with
threads that wait for each other: 0.3 ms for a row of frames that the bus carries in 0.02. A row that lies in pinned
memory from the start is read by the compiled program itself, and so is its answer written. A CPU reads any memory.
"""

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from eval_bridge.policies.byte_layout import Bytes

Argument = Bytes | jax.Array
"""What a compiled call takes."""

_PLACE = 64  # XLA takes an array of the host as it is, without a copy, where it begins at a multiple of so many bytes


class HostRow(NamedTuple):
    """A row of bytes, to be written on the host and given to compiled calls.

    Attributes:
        memory: to write to; not while a call reads it.
        argument: the same memory, as a compiled call takes it.
    """

    memory: Bytes
    argument: Argument


def uses_pinned_memory() -> bool:
    """Whether rows lie in pinned memory here: on GPUs."""
    return jax.default_backend() == "gpu"


def host_row(size: int, pinned: bool) -> HostRow:
    """A row of `size` zeros; `pinned` memory is given to calls as an array of JAX."""
    memory: Bytes = np.zeros(size + _PLACE, np.uint8)
    first = -memory.ctypes.data % _PLACE
    memory = memory[first : first + size]
    if not pinned:
        return HostRow(memory, memory)
    argument = jax.block_until_ready(jax.device_put(memory, jax.memory.Space.Host))
    return HostRow(_seen(argument), argument)


def on_device(rows: Sequence[Argument]) -> list[jax.Array]:
    """Rows in the device's memory, wherever they lie; also in a compiled program."""
    moved: list[jax.Array] = jax.device_put(list(rows), jax.memory.Space.Device)
    return moved


def on_host(rows: Sequence[jax.Array]) -> list[jax.Array]:
    """In a compiled program, rows in pinned memory."""
    moved: list[jax.Array] = jax.device_put(list(rows), jax.memory.Space.Host)
    return moved


def copies_of(rows: Sequence[jax.Array]) -> list[Bytes]:
    """Rows that a call returned, wherever they lie, copied to memory of their own; waits for the call."""
    if rows[0].sharding.memory_kind == "pinned_host":
        return [_seen(jax.block_until_ready(row)).copy() for row in rows]
    for row in rows:
        row.copy_to_host_async()
    return [np.array(row) for row in rows]


def _seen(pinned: jax.Array) -> Bytes:
    """The memory of an array that lies in pinned memory; the array must outlive it.

    NumPy's own way to it counts references to the buffer, and jaxlib 0.11 has ended processes over that count.
    """
    address = (ctypes.c_uint8 * pinned.size).from_address(pinned.unsafe_buffer_pointer())
    return np.ctypeslib.as_array(address)
