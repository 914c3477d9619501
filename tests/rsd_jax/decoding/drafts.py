"""Drafts to verify: one that is right where it is told to be, and some that know nothing."""

import jax
import jax.numpy as jnp

from rsd_jax.decoding import DraftFn
from tests.rsd_jax.decoding.networks import in_every_column

LEVELS = 7


def oracle_draft(target: jax.Array, is_right: jax.Array) -> DraftFn:
    """Proposes the target's token where `is_right` ``[B, C, D, L]``, and another level elsewhere."""
    proposed = jnp.where(is_right, target, (target + 1) % LEVELS)

    def draft(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        return jax.nn.one_hot(proposed, LEVELS)

    return draft


def random_draft(seed: int) -> DraftFn:
    """Proposes other random levels in every round, independent of everything but the positions."""

    def draft(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        key = jax.random.fold_in(jax.random.key(seed), in_every_column(position, tokens).sum())
        return jax.random.normal(key, (*tokens.shape, LEVELS))

    return draft


def garbage_reading_draft(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
    """Repeats what lies in the undefined digits from the position on: leftovers of earlier rounds."""
    return jax.nn.one_hot(tokens, LEVELS)


def not_a_number_draft(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
    return jnp.full((*tokens.shape, LEVELS), jnp.nan)


IGNORANT_DRAFTS = [random_draft(5), garbage_reading_draft, not_a_number_draft]
