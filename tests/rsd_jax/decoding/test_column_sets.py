"""Columns that see each other are decoded speculatively too, if they wait for each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import (
    CodeShape,
    DecodeResult,
    LosslessGreedy,
    LosslessSampling,
    MainFn,
    autoregressive,
    columns_in_sets,
    speculative,
    speculative_greedy,
)
from rsd_jax.decoding.column_sets import least_of_set, sets_of_columns
from tests.rsd_jax.decoding.drafts import IGNORANT_DRAFTS, LEVELS, oracle_draft
from tests.rsd_jax.decoding.networks import random_network

CHUNK, LATENTS, LAYERS, BATCH = 2, 3, 5, 3
SHAPE = CodeShape(CHUNK, LATENTS, LAYERS, 2, jnp.ones((LAYERS, LATENTS), bool))
PAIRS = np.array([[0, 0, 1], [2, 2, 3]])
"""The first two latents of each step see each other."""


class Remembering(LosslessGreedy):
    def start(self, shape, batch_size, certificate):
        return jnp.zeros(1), super().start(shape, batch_size, certificate)[1]


def seeing_sets(sets: np.ndarray) -> tuple[MainFn, jax.Array]:
    """A random main function, to which a column's digits are the sums of those of its set; and features for it."""
    local, features = random_network(jnp.int32(0), LAYERS, CHUNK, LATENTS, LEVELS, BATCH)
    is_same = jnp.asarray(sets.reshape(-1, 1) == sets.reshape(-1), jnp.int32)

    def main(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        together = jnp.einsum("bml,nm->bnl", tokens.reshape(len(tokens), -1, LAYERS), is_same) % LEVELS
        return local(features, together.reshape(tokens.shape), position, num_layers=num_layers)

    return columns_in_sets(main, sets), features


def test_each_column_gets_the_least_of_its_set():
    values = jnp.array([[[3, 1, 5], [2, 2, 0]], [[0, 4, 1], [7, 6, 5]]])
    least = least_of_set(values, np.array([[0, 0, 1], [0, 2, 2]]))
    np.testing.assert_array_equal(least, [[[1, 1, 5], [1, 0, 0]], [[0, 0, 1], [0, 5, 5]]])


@pytest.mark.parametrize("sets", [PAIRS, np.zeros((CHUNK, LATENTS), int)])
def test_tokens_are_those_of_layer_by_layer_whatever_columns_see(sets):
    main, features = seeing_sets(sets)
    reference = jax.jit(lambda: autoregressive(features, main, SHAPE, BATCH))()
    is_right = np.random.default_rng(0).random(reference.tokens.shape) < 0.8
    drafts = [*IGNORANT_DRAFTS, oracle_draft(reference.tokens, is_right)]

    @jax.jit
    def speculate(which: jax.Array) -> DecodeResult:
        def draft(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
            return jnp.stack([each(features, tokens, position) for each in drafts])[which]

        return speculative_greedy(features, draft, main, SHAPE, BATCH)

    for which in range(len(drafts)):
        result = speculate(which)
        np.testing.assert_array_equal(result.tokens, reference.tokens)
        assert (result.acceptance.accepted <= result.acceptance.proposed).all()


def test_a_digit_that_was_accepted_stays_where_another_of_its_set_was_not():
    """Else it would be drawn from what the draft leaves of p. Two digits, whose pairs must come as often as p says."""
    rows, levels = 40_000, 3
    shape = CodeShape(1, 2, 1, 1, jnp.ones((1, 2), bool))
    p = jnp.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    q = jnp.array([[0.1, 0.3, 0.6], [0.5, 0.2, 0.3]])

    def main(features: None, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        return jnp.broadcast_to(jnp.log(p)[None, None, :, None], (rows, 1, 2, num_layers, levels))

    def draft(features: None, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
        return jnp.broadcast_to(jnp.log(q)[None, None, :, None], (rows, 1, 2, 1, levels))

    together = columns_in_sets(main, np.zeros((1, 2), int))
    keys = jax.random.split(jax.random.key(0), rows)
    tokens = jax.jit(lambda: speculative(None, draft, together, LosslessSampling(), shape, rows, keys=keys).tokens)()
    pairs = np.zeros((levels, levels))
    np.add.at(pairs, tuple(np.asarray(tokens).reshape(rows, 2).T), 1 / rows)
    np.testing.assert_allclose(pairs, p[0][:, None] * p[1], atol=0.01)


def test_sets_of_another_code_and_rules_that_remember_are_refused():
    main, features = seeing_sets(PAIRS)
    other = CodeShape(1, LATENTS, LAYERS, 2, SHAPE.informative)
    with pytest.raises(ValueError, match=r"column_sets has shape \(2, 3\); it must be \[C, D\] = \[1, 3\]"):
        sets_of_columns(main, other)
    with pytest.raises(ValueError, match="main declares column_sets, and Remembering remembers what it accepted"):
        speculative(features, IGNORANT_DRAFTS[0], main, Remembering(), SHAPE, BATCH)
