"""A main function that reads other columns is found, and the decoder that needs one that does not refuses it."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import (
    CodeShape,
    MainFn,
    autoregressive,
    column_local,
    is_column_local,
    sees_other_columns,
    speculative_greedy,
)

LEVELS = 7


def reading_digits(main: MainFn) -> MainFn:
    """`main`, moved by the digit of the next latent's layer before the one that is scored."""

    def reading(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        position = jnp.broadcast_to(position, tokens.shape[:-1])
        own = main(features, tokens, position, num_layers=num_layers)
        layers = position[..., None] + jnp.arange(num_layers) - 1
        before = jnp.take_along_axis(jnp.roll(tokens, 1, axis=2), jnp.clip(layers, 0, tokens.shape[-1] - 1), axis=-1)
        return own + jnp.where(layers[..., None] >= 0, 3.0 * jax.nn.one_hot(before, LEVELS), 0.0)

    return reading


def reading_one_column(reader: int, read: int, main: MainFn) -> MainFn:
    """`main`, of which the logits of column `reader` of the first step are moved by a digit of column `read`."""

    def reading(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        position = jnp.broadcast_to(position, tokens.shape[:-1])
        own = main(features, tokens, position, num_layers=num_layers)
        return own.at[:, 0, reader].add(tokens[:, 0, read, 0, None, None] * jnp.arange(1.0, LEVELS + 1))

    return reading


def reading_positions(main: MainFn) -> MainFn:
    """`main`, moved by how far all columns are."""

    def reading(features: jax.Array, tokens: jax.Array, position: jax.Array | int, *, num_layers: int) -> jax.Array:
        position = jnp.broadcast_to(position, tokens.shape[:-1])
        own = main(features, tokens, position, num_layers=num_layers)
        return own + position.sum(axis=(1, 2), keepdims=True)[..., None, None] * jnp.arange(LEVELS)

    return reading


def random_draft(features: jax.Array, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
    start = jnp.broadcast_to(position, tokens.shape[:-1])
    return jax.random.normal(jax.random.fold_in(jax.random.key(0), start.sum()), (*tokens.shape, LEVELS))


ONE_COLUMN = [partial(reading_one_column, 0, 2), partial(reading_one_column, 2, 0), partial(reading_one_column, 1, 2)]


def test_what_reads_other_columns_is_found(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    features, shape, main = random_features(0, 2), code_shape(3), random_main(0)
    mains = [main, *(reading(main) for reading in (reading_digits, reading_positions, *ONE_COLUMN))]
    found = jax.jit(lambda: [sees_other_columns(features, m, shape, 2, LEVELS, jax.random.key(1)) for m in mains])()
    assert [bool(sees_others) for sees_others in found] == [False, *[True] * 5]


def test_speculation_refuses_it_where_it_would_find_other_tokens(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    features, shape, main = random_features(0, 4), code_shape(3), reading_digits(random_main(0))
    assert not is_column_local(main)
    reference = autoregressive(features, main, shape, 4, unrolled=False)  # which does not mind
    with pytest.raises(ValueError, match="main does not declare that it is column_local"):
        jax.eval_shape(lambda: speculative_greedy(features, random_draft, main, shape, 4))  # nothing is run
    column_local(main)  # a false declaration
    result = jax.jit(lambda: speculative_greedy(features, random_draft, main, shape, 4, unrolled_passes=0))()
    assert (np.asarray(result.tokens) != np.asarray(reference.tokens)).any()


def test_a_single_column_has_no_other(random_main: Callable[[int], MainFn]) -> None:
    shape = CodeShape(1, 1, 8, 3, jnp.ones((8, 1), bool))

    def main(features: None, tokens: jax.Array, position: jax.Array, *, num_layers: int) -> jax.Array:
        return jnp.full((*position.shape, num_layers, LEVELS), jnp.nan) + tokens.sum()

    assert not sees_other_columns(None, main, shape, 1, LEVELS, jax.random.key(0))
