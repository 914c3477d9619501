"""The greedy choice, one for all heads and decoders: they are compared token by token, ties included."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_FEW = 32
"""Levels up to which they are compared one after the other."""


def most_likely(logits: Float[Array, "*digits V"]) -> Int[Array, "*digits"]:
    """Most likely level of each digit; the lowest one on a tie.

    Level after level in place of a reduction, which compilers keep apart from what precedes and follows it: on a GPU
    that is a kernel more for each choice. Words of a vocabulary are too many for that.
    """
    if logits.shape[-1] > _FEW:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    chosen, best = jnp.zeros(logits.shape[:-1], jnp.int32), logits[..., 0]
    for level in range(1, logits.shape[-1]):
        is_better = logits[..., level] > best
        chosen, best = jnp.where(is_better, level, chosen), jnp.where(is_better, logits[..., level], best)
    return chosen
