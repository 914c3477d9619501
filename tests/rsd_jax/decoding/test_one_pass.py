"""One pass names every layer given the guess, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.decoding import CodeShape, GivenTokens, autoregressive, one_pass

LAYERS, LEVELS = 4, 7
SHAPE = CodeShape(1, 2, LAYERS, 0, jnp.ones((LAYERS, 2), bool))


def successor(features: None, tokens: jax.Array, position: int, *, num_layers: int) -> jax.Array:
    """Every digit is the one before it plus 1."""
    before = jnp.pad(tokens, ((0, 0),) * 3 + ((1, 0),))[..., position : position + num_layers]
    return jax.nn.one_hot((before + 1) % LEVELS, LEVELS)


def test_every_layer_is_named_given_the_guess_of_the_coarser_ones():
    guess = jnp.array([[[[5, 0, 3, 1], [1, 2, 3, 4]]]])
    found = one_pass(None, successor, SHAPE, 1, guess)
    np.testing.assert_array_equal(found.tokens, [[[[1, 6, 1, 4], [1, 2, 3, 4]]]])
    np.testing.assert_array_equal(found.rounds, [1])
    assert not found.acceptance.proposed.any()


def test_from_its_own_greedy_tokens_nothing_changes():
    greedy = autoregressive(None, successor, SHAPE, 1).tokens
    np.testing.assert_array_equal(one_pass(None, successor, SHAPE, 1, greedy).tokens, greedy)


def test_given_digits_stay_and_are_told_instead_of_the_guess():
    given = GivenTokens(jnp.full((1, 1, 2, LAYERS), 2), jnp.array([[[2, 0]]]))
    guess = jnp.zeros((1, 1, 2, LAYERS), jnp.int32)
    found = one_pass(None, successor, SHAPE, 1, guess, given)
    np.testing.assert_array_equal(found.tokens, [[[[2, 2, 3, 1], [1, 1, 1, 1]]]])
