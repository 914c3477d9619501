"""The greedy choice, one for all decoders: they are compared token by token, ties included."""

import jax
import jax.numpy as jnp


def most_likely(logits: jax.Array) -> jax.Array:
    """Most likely level of each digit, of logits ``[.., V]``; the lowest one on a tie."""
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)
