from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_jax.rfsq import QuantizerTable, dequantize, dequantize_to, grid_coordinates, make_table, quantize
from rsd_jax.rfsq.scalar_quantizer import exactly_multipliable

LAYERS, LATENTS = 8, 16
BATCH, CHUNK = 2, 8
"""Of most latents here: every other shape compiles every operation again."""


def _two_layers() -> QuantizerTable:
    """One latent; levels -3, -2, .. 3 in the first layer and 0.1 + 0.25 * (-3 .. 3) in the second."""
    return make_table(jnp.array([[0.0], [0.1]]), jnp.array([[1.0], [0.25]]), num_levels=7)


def _random_table(seed: int) -> QuantizerTable:
    rng = np.random.default_rng(seed)
    step = 0.3 * 2.0 ** -np.arange(LAYERS)[:, None] * rng.uniform(0.5, 1.5, (LAYERS, LATENTS))
    return make_table(jnp.asarray(rng.normal(0, 0.01, step.shape)), jnp.asarray(step), num_levels=7)


def test_tokens_by_hand() -> None:
    tokens = quantize(_two_layers(), jnp.array([[[1.4], [-9.0], [0.5]]]))
    # 1.4 = 1 + 0.4 -> (0.4 - 0.1) / 0.25 = 1.2; -9 is below all levels; 0.5 is a tie and goes up
    np.testing.assert_array_equal(tokens[0, :, 0], [[4, 4], [0, 0], [4, 1]])


def test_decoding_by_hand_for_every_prefix() -> None:
    tokens = jnp.array([[[[4, 4]]]])
    decoded = [float(dequantize(_two_layers(), tokens, n)[0, 0, 0]) for n in (0, 1, 2)]
    np.testing.assert_allclose(decoded, [0.0, 1.0, 1.35], rtol=1e-6)
    assert float(dequantize(_two_layers(), tokens)[0, 0, 0]) == decoded[2]
    by_column = dequantize_to(_two_layers(), jnp.tile(tokens, (1, 3, 1, 1)), jnp.array([[[2], [0], [1]]]))
    assert by_column[0, :, 0].tolist() == [decoded[2], decoded[0], decoded[1]]


@pytest.mark.parametrize("depth", [-1, 3])
def test_prefix_outside_the_table_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=f"num_layers is {depth}; it must be between 0 and the table's 2"):
        dequantize(_two_layers(), jnp.zeros((1, 1, 1, 2), jnp.int32), depth)


def test_a_prefix_is_decoded_as_far_as_it_reaches_and_residuals_need_all() -> None:
    table = _random_table(0)
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 7, (BATCH, CHUNK, LATENTS, LAYERS)))
    np.testing.assert_array_equal(dequantize(table, tokens[..., :3]), dequantize(table, tokens, 3))
    with pytest.raises(ValueError, match=r"num_layers is 4, but tokens has shape \(2, 8, 16, 3\) and holds 3 layers"):
        dequantize(table, tokens[..., :3], 4)
    with pytest.raises(ValueError, match="tokens holds 3 layers; all 8 of the table are needed"):
        grid_coordinates(table, jnp.zeros((BATCH, CHUNK, LATENTS)), tokens[..., :3])


def test_one_latent_is_not_taken_for_all() -> None:
    with pytest.raises(ValueError, match="latents has 1 latents a step; the table has 16"):
        quantize(_random_table(0), jnp.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match="tokens has 1 latents a step; the table has 16"):
        dequantize(_random_table(0), jnp.zeros((1, 1, 1, LAYERS), jnp.int32))


@pytest.mark.parametrize("levels", [1, 6, 17])
def test_number_of_levels_is_checked(levels: int) -> None:
    with pytest.raises(ValueError, match=f"num_levels is {levels}"):
        make_table(jnp.zeros((1, 1)), jnp.ones((1, 1)), levels)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.floats(0.05, 1.0))
def test_no_layer_enlarges_an_error_when_its_middle_level_is_zero(seed: int, scale: float) -> None:
    table = _random_table(seed)
    table = table.replace(offset=jnp.zeros_like(table.offset))
    latents = jnp.asarray(np.random.default_rng(seed).uniform(-scale, scale, (BATCH, CHUNK, LATENTS)), jnp.float32)
    tokens = quantize(table, latents)
    assert tokens.dtype == jnp.int32
    assert int(tokens.min()) >= 0
    assert int(tokens.max()) <= 6
    errors = [jnp.abs(dequantize(table, tokens, n) - latents) for n in range(LAYERS + 1)]
    for coarser, finer in pairwise(errors):
        assert bool((finer <= coarser + 1e-6).all())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_every_token_string_decodes_to_the_same_bits_in_a_program_and_by_single_operations(seed: int) -> None:
    table = _random_table(seed)
    tokens = jnp.asarray(np.random.default_rng(seed).integers(0, 7, (BATCH, CHUNK, LATENTS, LAYERS)), jnp.int32)
    decoded = dequantize(table, tokens)
    assert bool(jnp.isfinite(decoded).all())
    with jax.disable_jit():
        np.testing.assert_array_equal(dequantize(table, tokens), decoded)


def test_rows_of_a_batch_are_independent() -> None:
    table = _random_table(0)
    latents = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (5, CHUNK, LATENTS)), jnp.float32)
    np.testing.assert_array_equal(quantize(table, latents)[3], quantize(table, latents[3:])[0])


def test_low_precision_latents_are_quantized_in_float32() -> None:
    table = _random_table(0)
    latents = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (BATCH, CHUNK, LATENTS)), jnp.bfloat16)
    np.testing.assert_array_equal(quantize(table, latents), quantize(table, latents.astype(jnp.float32)))


def test_grid_coordinates_of_the_latents_themselves_round_to_their_digits() -> None:
    table = _random_table(2)
    latents = jnp.asarray(np.random.default_rng(2).uniform(-0.5, 0.5, (BATCH, CHUNK, LATENTS)), jnp.float32)
    tokens = quantize(table, latents)
    coordinates = grid_coordinates(table, latents, tokens)
    digits = jnp.clip(jnp.floor(coordinates + 0.5), -3, 3).astype(jnp.int32)
    np.testing.assert_array_equal(digits + 3, tokens)


def test_grid_coordinates_read_only_coarser_digits() -> None:
    table = _random_table(3)
    rng = np.random.default_rng(3)
    latents = jnp.asarray(rng.uniform(-0.5, 0.5, (BATCH, CHUNK, LATENTS)), jnp.float32)
    tokens = jnp.asarray(rng.integers(0, 7, (BATCH, CHUNK, LATENTS, LAYERS)), jnp.int32)
    changed = tokens.at[..., 5:].set((tokens[..., 5:] + 1) % 7)
    before, after = (grid_coordinates(table, latents, t) for t in (tokens, changed))
    np.testing.assert_array_equal(before[..., :6], after[..., :6])
    assert bool((before[..., 6:] != after[..., 6:]).all())


@pytest.mark.parametrize("num_levels", [3, 7, 15])
def test_products_of_steps_with_digits_are_exact(num_levels: int) -> None:
    given = jnp.asarray(np.random.default_rng(0).uniform(1e-6, 1, 10_000), jnp.float32)
    steps = exactly_multipliable(given, num_levels)
    np.testing.assert_allclose(steps, given, rtol=2**-21)
    for factor in range(1, num_levels // 2 + 1):
        exact = np.asarray(steps, np.float64) * factor
        np.testing.assert_array_equal(np.asarray(steps * jnp.float32(factor), np.float64), exact)


def test_digits_that_no_latent_can_move_are_not_informative() -> None:
    naive = make_table(jnp.zeros((3, 1)), jnp.full((3, 1), 1 / 3), num_levels=7)
    # The first layer leaves at most half a step over, which the next ones, of the same step, round to their middle.
    np.testing.assert_array_equal(naive.informative[:, 0], [True, False, False])
    assert bool(_two_layers().informative[1].all())


def test_digits_called_constant_are_constant_and_the_others_move() -> None:
    # second layer coarser than what the first leaves; third finer; latent 1 overloads the first layer
    step = jnp.array([[0.3, 0.1], [0.4, 0.4], [0.02, 0.1]])
    table = make_table(jnp.zeros((3, 2)), step, num_levels=7)
    latents = jnp.linspace(-1, 1, 20_001)[:, None, None] * jnp.ones((1, 1, 2))
    tokens = quantize(table, latents)[:, 0]
    moves = jnp.any(tokens != tokens[:1], axis=0).T
    np.testing.assert_array_equal(table.informative, moves)


@pytest.mark.parametrize("seed", range(2))
def test_a_latent_gets_the_same_digits_in_a_program_by_single_operations_and_with_a_constant_table(seed: int) -> None:
    table = _random_table(seed)
    generator = np.random.default_rng(seed)
    latents = generator.uniform(-1, 1, (64, 8, LATENTS)).astype(np.float32)
    # and exactly at boundaries and beside them
    halves = generator.integers(-3, 3, latents.shape).astype(np.float32) + np.float32(0.5)
    ties = np.asarray(table.offset)[0] + np.asarray(table.step)[0] * halves
    values = jnp.asarray(np.concatenate([latents, ties, np.nextafter(ties, np.float32(-1))]))
    tokens = quantize(table, values)
    np.testing.assert_array_equal(tokens, jax.jit(lambda v: quantize(table, v))(values))
    with jax.disable_jit():
        np.testing.assert_array_equal(tokens, quantize(table, values))
