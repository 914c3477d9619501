"""A chunk is given the promised digits of the one before it, and decoders complete them exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import (
    CodeShape,
    autoregressive,
    column_local,
    fixed_point,
    promised_tokens,
    speculative_greedy,
)

CHUNK, LATENT, LAYERS, LEVELS, COARSE = 4, 2, 3, 5, 1
SHAPE = CodeShape(CHUNK, LATENT, LAYERS, 1, jnp.ones((LAYERS, LATENT), bool))
PREVIOUS = jnp.arange(CHUNK * LATENT * LAYERS).reshape(1, CHUNK, LATENT, LAYERS) % LEVELS
ROWS = ((0, 0, 0), (1, 1, 2), (2, 2, 0), (3, 2, 2), (0, 4, 0))
"""Steps passed, fixed and overlapping: nothing, a part of each, all that is left, more than is left, everything."""


def of_all_columns(features: jax.Array, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
    """Every digit is the sum of all coarser digits of all columns, plus a number of its own column and row."""
    coarser = jnp.cumsum(tokens.sum(axis=(1, 2)), axis=-1) - tokens.sum(axis=(1, 2))
    own = jnp.arange(CHUNK * LATENT).reshape(1, CHUNK, LATENT, 1) + features[:, None, None, None]
    chosen = (coarser[:, None, None] + own) % LEVELS
    return jax.nn.one_hot(chosen, LEVELS)[..., position : position + num_layers, :]


@column_local
def of_own_column(features: jax.Array, tokens: jax.Array, position: jax.Array, *, num_layers: int) -> jax.Array:
    """Every digit is the sum of the coarser ones of its own column, plus a number of its own column and row."""
    coarser = jnp.cumsum(tokens, axis=-1) - tokens
    own = jnp.arange(CHUNK * LATENT).reshape(1, CHUNK, LATENT, 1) + features[:, None, None, None]
    logits = jax.nn.one_hot((coarser + own) % LEVELS, LEVELS)
    layers = jnp.minimum(jnp.broadcast_to(position, tokens.shape[:-1])[..., None] + jnp.arange(num_layers), LAYERS - 1)
    return jnp.take_along_axis(logits, layers[..., None], axis=3)


def forced(main, features: np.ndarray, rows) -> np.ndarray:
    """Plain Python: layer by layer, and where a digit is promised it is taken instead of the choice."""
    tokens = np.zeros((len(rows), CHUNK, LATENT, LAYERS), np.int32)
    for layer in range(LAYERS):
        chosen = np.argmax(main(jnp.asarray(features), jnp.asarray(tokens), layer, num_layers=1)[..., 0, :], axis=-1)
        for row, (passed, fixed, overlapping) in enumerate(rows):
            for step in range(CHUNK):
                layers = LAYERS if step < fixed else COARSE if step < fixed + overlapping else 0
                is_told = passed + step < CHUNK and layer < layers
                tokens[row, step, :, layer] = PREVIOUS[0, passed + step, :, layer] if is_told else chosen[row, step]
    return tokens


def promised(rows):
    return promised_tokens(
        jnp.tile(PREVIOUS, (len(rows), 1, 1, 1)), *(jnp.array(column) for column in zip(*rows, strict=True)), COARSE
    )


def test_which_digits_are_promised_by_hand():
    given = promised(ROWS)
    assert given.depth[:, :, 0].tolist() == [[0, 0, 0, 0], [3, 1, 1, 0], [3, 3, 0, 0], [3, 0, 0, 0], [3, 3, 3, 3]]
    np.testing.assert_array_equal(given.depth[..., 0], given.depth[..., 1])
    np.testing.assert_array_equal(given.tokens[1, :3], PREVIOUS[0, 1:])
    np.testing.assert_array_equal(given.tokens[3, 0], PREVIOUS[0, 3])


@pytest.mark.parametrize("main", [of_all_columns, of_own_column])
def test_promised_digits_stay_and_decoding_completes_them_as_layer_by_layer_with_a_forced_prefix(main):
    features = np.arange(len(ROWS))
    expected = forced(main, features, ROWS)
    given, seen = promised(ROWS), jnp.asarray(features)
    decoders = {
        "autoregressive": lambda: autoregressive(seen, main, SHAPE, len(ROWS), given),
        "fixed_point": lambda: fixed_point(seen, main, SHAPE, len(ROWS), given, jnp.full_like(given.tokens, 4)),
    }
    if main is of_own_column:
        decoders["speculative_greedy"] = lambda: speculative_greedy(
            seen, lambda *draft: jnp.zeros((*given.tokens.shape, LEVELS)), main, SHAPE, len(ROWS), given
        )
    for name, decode in decoders.items():
        np.testing.assert_array_equal(jax.jit(lambda: decode().tokens)(), expected, err_msg=name)  # noqa: B023
    # Row 0, to which nothing is promised, is decoded as without any promise; the last one is the previous chunk.
    np.testing.assert_array_equal(autoregressive(seen, main, SHAPE, len(ROWS)).tokens[0], expected[0])
    np.testing.assert_array_equal(expected[-1], PREVIOUS[0])


def test_only_columns_that_see_each_other_answer_to_what_is_promised_to_others():
    rows = ((1, 1, 0),)
    for main, answers in ((of_all_columns, True), (of_own_column, False)):
        plain = autoregressive(jnp.zeros(1, jnp.int32), main, SHAPE, 1).tokens
        told = autoregressive(jnp.zeros(1, jnp.int32), main, SHAPE, 1, promised(rows)).tokens
        assert bool((plain != told)[:, 1:].any()) == answers


def test_layers_that_do_not_exist_are_refused():
    nothing = jnp.zeros(1, jnp.int32)
    with pytest.raises(ValueError, match="coarse_layers is 4; it must be between 0 and num_layers = 3"):
        promised_tokens(PREVIOUS, nothing, nothing, nothing, 4)
