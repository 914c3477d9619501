"""A mode-locked main head: columns see each other's coarser digits, and nothing finer."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import CodeShape, GivenTokens, autoregressive, fixed_point, is_column_local
from rsd_jax.heads.main_head import MainHead, MainHeadConfig, draw_main_head, main_function
from rsd_jax.rfsq import make_table
from tests.rsd_jax.random_params import random_params

BATCH, CHUNK, LATENTS, LAYERS, LEVELS = 2, 2, 3, 3, 5
MODEL = MainHead(MainHeadConfig(LAYERS, LATENTS, LEVELS, width=8, depth=1, column_features=4, mode_locked=True))
STEP = 0.3 * 0.4 ** jnp.arange(LAYERS)[:, None] * jnp.ones((LAYERS, LATENTS))
TABLE = make_table(0 * STEP, STEP, LEVELS)
SHAPE = CodeShape(CHUNK, LATENTS, LAYERS, 0, jnp.ones((LAYERS, LATENTS), bool))
TOKENS = jax.random.randint(jax.random.key(1), (BATCH, CHUNK, LATENTS, LAYERS), 0, LEVELS)


@pytest.fixture(scope="module")
def params():
    return random_params(partial(draw_main_head, MODEL, chunk_length=CHUNK, feature_dim=6), 0)


@pytest.fixture(scope="module")
def main(params):
    return main_function(MODEL, params, TABLE)


@pytest.fixture(scope="module")
def columns(params):
    features = jax.random.normal(jax.random.key(3), (BATCH, CHUNK, 6))
    return jax.jit(partial(MODEL.apply, method="contextualise"))({"params": params}, features)


def test_a_digit_is_seen_by_finer_layers_of_all_columns_of_its_row_alone(main, columns):
    score = jax.jit(lambda tokens: main(columns, tokens, 0, num_layers=LAYERS))
    other = TOKENS.at[0, 1, 2, 0].set((TOKENS[0, 1, 2, 0] + 1) % LEVELS)
    changed = np.asarray((score(TOKENS) != score(other)).any(axis=-1))
    expected = np.zeros_like(changed)
    expected[0, :, :, 1:] = True
    np.testing.assert_array_equal(changed, expected)


def test_layers_picked_by_column_are_scored_as_layers_known_while_tracing(main, columns):
    picked = jax.jit(lambda at: main(columns, TOKENS, at, num_layers=2))(jnp.ones(TOKENS.shape[:-1], jnp.int32))
    known = jax.jit(lambda: main(columns, TOKENS, 1, num_layers=2))()
    np.testing.assert_allclose(picked, known, rtol=1e-5, atol=1e-5)


def test_it_says_that_it_is_not_local_and_is_decoded_by_fixed_point(main, columns):
    assert not is_column_local(main)

    @jax.jit
    def decode():
        return autoregressive(columns, main, SHAPE, BATCH), fixed_point(columns, main, SHAPE, BATCH, unrolled_passes=0)

    reference, found = decode()
    np.testing.assert_array_equal(found.tokens, reference.tokens)


def test_what_is_given_of_one_step_decides_on_others_and_is_completed_as_layer_by_layer(params, columns):
    """Unlike in a head whose columns do not see each other, where a promise stays with the steps that it is of."""
    loud = {"mode_lock": jax.tree.map(lambda leaf: 20 * leaf, params["mode_lock"])}  # beside the estimate
    main = main_function(MODEL, {**params, "correction_gain": jnp.full(LAYERS, 20.0), **loud}, TABLE)
    of_first_step = jnp.broadcast_to(jnp.arange(CHUNK)[:, None] == 0, TOKENS.shape[:-1])
    given = GivenTokens(TOKENS, jnp.where(of_first_step, LAYERS, 0))

    @jax.jit
    def decode():
        return [
            *(autoregressive(columns, main, SHAPE, BATCH, told).tokens for told in (None, given)),
            fixed_point(columns, main, SHAPE, BATCH, given).tokens,
        ]

    plain, reference, found = decode()
    np.testing.assert_array_equal(found, reference)
    np.testing.assert_array_equal(found[:, 0], TOKENS[:, 0])
    assert (found != plain)[:, 1, :, 1:].any()
