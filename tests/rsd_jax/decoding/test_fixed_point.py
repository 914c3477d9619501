"""Decoding by fixed point finds the autoregressive decoder's tokens from any guess, in no more passes than layers."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding import CodeShape, DecodeResult, GivenTokens, MainFn, autoregressive, fixed_point
from tests.rsd_jax.decoding.networks import random_network

BATCH = 4


class Sizes(NamedTuple):
    layers: int
    chunk: int
    latents: int
    levels: int

    @property
    def shape(self) -> CodeShape:
        return CodeShape(self.chunk, self.latents, self.layers, 0, jnp.ones((self.layers, self.latents), bool))


def successor(sizes: Sizes) -> MainFn:
    """Every digit is the one before it plus 1: an error in a guess moves on by one layer a pass."""

    def main(features: None, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
        before = jnp.pad(tokens, ((0, 0),) * 3 + ((1, 0),))[..., position : position + num_layers]
        return jax.nn.one_hot((before + 1) % sizes.levels, sizes.levels)

    return main


def of_all_columns(sizes: Sizes) -> MainFn:
    """Every digit is the sum of all coarser digits of all columns, plus a number of its own column."""

    def main(features: None, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
        coarser = jnp.cumsum(tokens.sum(axis=(1, 2)), axis=-1) - tokens.sum(axis=(1, 2))
        own = jnp.arange(sizes.chunk * sizes.latents).reshape(1, sizes.chunk, sizes.latents, 1)
        chosen = (coarser[:, None, None] + own) % sizes.levels
        return jax.nn.one_hot(chosen, sizes.levels)[..., position : position + num_layers, :]

    return main


def without_opinion(sizes: Sizes) -> MainFn:
    """All levels of a digit are equally likely, or none of them is a number."""

    def main(features: None, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
        odd = tokens[..., :1] % 2 == 1
        return jnp.where(odd, jnp.nan, 0.0)[..., None] * jnp.ones((num_layers, sizes.levels))

    return main


SIZES = [Sizes(6, 2, 3, 7), Sizes(3, 1, 4, 2), Sizes(1, 2, 2, 5)]


@pytest.mark.parametrize("sizes", SIZES)
def test_equals_autoregressive_from_any_guess(sizes: Sizes) -> None:
    columns = (BATCH, sizes.chunk, sizes.latents)

    @jax.jit
    def decode(seed: jax.Array, guess: jax.Array) -> list[tuple[DecodeResult, DecodeResult]]:
        found = []
        network, features = random_network(seed, sizes.layers, sizes.chunk, sizes.latents, sizes.levels, BATCH)
        for main in (network, successor(sizes), of_all_columns(sizes), without_opinion(sizes)):
            reference = autoregressive(features, main, sizes.shape, BATCH)
            starts = [(guess, 0)] if found else [(reference.tokens, 0), (None, 1), (guess, 2)]
            found += [
                (reference, fixed_point(features, main, sizes.shape, BATCH, None, start, passes))
                for start, passes in starts
            ]
        return found

    for seed in range(4):
        guess = jax.random.randint(jax.random.key(seed), (*columns, sizes.layers), -3, sizes.levels + 3)
        for place, (reference, result) in enumerate(decode(jnp.int32(seed), guess)):
            np.testing.assert_array_equal(result.tokens, reference.tokens)
            assert result.tokens.dtype == jnp.int32
            assert 1 <= int(result.rounds.min()) <= int(result.rounds.max()) <= sizes.layers
            if place == 0:  # guessed right: one pass confirms it
                assert result.rounds.tolist() == [1] * BATCH


def test_passes_by_hand() -> None:
    # Digits 1 2 3 4 5. A guess that is wrong from layer l on is right up to layer l after the first pass, and so on;
    # the last layer, which no other reads, needs no confirmation.
    sizes = Sizes(5, 1, 1, 7)
    guesses = jnp.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, 0], [1, 2, 3, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    for unrolled_passes in (0, 9):
        result = fixed_point(
            None, successor(sizes), sizes.shape, 5, None, guesses.reshape(5, 1, 1, 5), unrolled_passes
        )
        assert result.tokens.reshape(5, 5).tolist() == [[1, 2, 3, 4, 5]] * 5
        assert result.rounds.tolist() == [1, 1, 2, 4, 5]


def test_a_rows_rounds_do_not_depend_on_the_others() -> None:
    sizes = SIZES[0]
    network, features = random_network(jnp.int32(3), *sizes, BATCH)
    guess = (
        autoregressive(features, network, sizes.shape, BATCH, unrolled=False).tokens.at[1].set(0).at[2, 0, 0, 4].add(1)
    )
    decode = jax.jit(partial(fixed_point, main=network, shape=sizes.shape, batch_size=BATCH))
    together = decode(features, guess=guess)
    for row in range(BATCH):
        alone = decode(jnp.repeat(features[row, None], BATCH, 0), guess=jnp.repeat(guess[row, None], BATCH, 0))
        assert alone.rounds.tolist() == [int(together.rounds[row])] * BATCH
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[row])
    assert len(set(together.rounds.tolist())) == 3


def test_given_digits_stay_and_decide_the_finer_ones(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    features, main, shape = random_features(0, 3), random_main(0), code_shape(3)
    columns = (3, shape.chunk_length, shape.latent_dim)
    generator = np.random.default_rng(0)
    depth = jnp.asarray(generator.integers(0, shape.num_layers + 1, columns), jnp.int32)
    told = jnp.asarray(generator.integers(0, 7, (*columns, shape.num_layers)), jnp.int32)
    reference = autoregressive(features, main, shape, 3, GivenTokens(told, depth), unrolled=False)
    given = GivenTokens(told, depth)
    result = jax.jit(lambda: fixed_point(features, main, shape, 3, given, 6 - told, unrolled_passes=0))()
    np.testing.assert_array_equal(result.tokens, reference.tokens)
    assert not result.acceptance.proposed.any()


def test_compiles_once_and_main_runs_once_a_pass(
    code_shape: Callable[[int], CodeShape],
    random_features: Callable[[int, int], jax.Array],
    random_main: Callable[[int], MainFn],
) -> None:
    main, shape = random_main(0), code_shape(3)
    calls: list[int] = []

    def counted(features: jax.Array, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
        jax.debug.callback(lambda: calls.append(num_layers))
        return main(features, tokens, position, num_layers=num_layers)

    def decode(features: jax.Array) -> DecodeResult:
        return fixed_point(features, counted, shape, 3)

    compiled = jax.jit(chex.assert_max_traces(decode, n=1))
    for seed in range(2):
        result = compiled(random_features(seed, 3))
        jax.effects_barrier()
        assert calls == [shape.num_layers] * max(2, int(result.rounds.max()))
        calls.clear()


def test_a_negative_number_of_passes_is_refused(code_shape: Callable[[int], CodeShape]) -> None:
    with pytest.raises(ValueError, match="unrolled_passes is -1; it must be 0 or more"):
        fixed_point(None, successor(SIZES[0]), code_shape(0), 1, unrolled_passes=-1)
