"""Stacks arrays of small integers quickly."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

_BYTES = 4


def stack_small(values: Sequence[Int[Array, "..."]]) -> Int[Array, "... N"]:
    """``jnp.stack(values, axis=-1)`` as int32, of integers in 0 .. 127 each of which follows from the ones before.

    On a GPU a compiler that fuses a plain stack computes the chain anew for each element that it writes; there four
    values make one 32-bit word, words are computed once, and the values are their bytes. Where the caller goes on to
    int8, the words are all that is written. On a CPU taking words apart costs more than it saves.
    """
    stacked: Int[Array, "... N"] = jax.lax.platform_dependent(*values, default=_stack, cuda=_stack_words)
    return stacked


def _stack(*values: jax.Array) -> jax.Array:
    return jnp.stack(values, axis=-1).astype(jnp.int32)


def _stack_words(*values: jax.Array) -> jax.Array:
    padded = [value.astype(jnp.uint32) for value in values]
    padded += [jnp.zeros_like(padded[0])] * (-len(values) % _BYTES)
    words = [
        sum((padded[start + place] << (8 * place) for place in range(1, _BYTES)), start=padded[start])
        for start in range(0, len(padded), _BYTES)
    ]
    in_bytes = jax.lax.bitcast_convert_type(jnp.stack(jax.lax.optimization_barrier(words), axis=-1), jnp.int8)
    return in_bytes.reshape(*values[0].shape, len(padded))[..., : len(values)].astype(jnp.int32)
