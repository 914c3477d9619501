"""Memory of the host that a device reads and writes itself, so that what crosses is not copied on the way.

Arrays of NumPy reach a GPU by way of a pinned buffer that JAX fills, and results come back by another, each with
threads that wait for each other: 0.3 ms for a row of frames that the bus carries in 0.02. Rows that lie in pinned
memory from the start are read by the compiled program itself, all by one copy, and so are its answers written. A CPU
reads any memory.
"""

import ctypes
from typing import NamedTuple

import jax
import numpy as np

from eval_bridge.policies.byte_layout import Bytes

Argument = Bytes | jax.Array
"""What a compiled call takes."""

_PLACE = 64  # XLA takes an array of the host as it is, without a copy, where it begins at a multiple of so many bytes


class HostRows(NamedTuple):
    """Rows of bytes, to be written on the host and given to compiled calls.

    Attributes:
        memory: to write to, ``[B, Y]``; not while a call reads it.
        argument: the same memory, as a compiled call takes it.
    """

    memory: Bytes
    argument: Argument


def uses_pinned_memory() -> bool:
    """Whether rows lie in pinned memory here: on GPUs."""
    return jax.default_backend() == "gpu"


def host_rows(number: int, size: int, pinned: bool) -> HostRows:
    """Zeros: so many rows of `size` bytes; `pinned` memory is given to calls as an array of JAX."""
    memory: Bytes = np.zeros(number * size + _PLACE, np.uint8)
    first = -memory.ctypes.data % _PLACE
    memory = memory[first : first + number * size].reshape(number, size)
    if not pinned:
        return HostRows(memory, memory)
    argument = jax.block_until_ready(jax.device_put(memory, jax.memory.Space.Host))
    return HostRows(_seen(argument), argument)


def on_device(rows: Argument) -> jax.Array:
    """Rows in the device's memory, wherever they lie; also in a compiled program."""
    moved: jax.Array = jax.device_put(rows, jax.memory.Space.Device)
    return moved


def on_host(rows: jax.Array) -> jax.Array:
    """In a compiled program, rows in pinned memory."""
    moved: jax.Array = jax.device_put(rows, jax.memory.Space.Host)
    return moved


def copy_of(rows: jax.Array) -> Bytes:
    """Rows that a call returned, wherever they lie, copied to memory of their own; waits for the call."""
    if rows.sharding.memory_kind == "pinned_host":
        return _seen(jax.block_until_ready(rows)).copy()
    return np.array(rows)


def _seen(pinned: jax.Array) -> Bytes:
    """The memory of an array that lies in pinned memory; the array must outlive it.

    NumPy's own way to it counts references to the buffer, and jaxlib 0.11 has ended processes over that count.
    """
    address = (ctypes.c_uint8 * pinned.size).from_address(pinned.unsafe_buffer_pointer())
    return np.ctypeslib.as_array(address).reshape(pinned.shape)
