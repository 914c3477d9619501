import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq.baselines import UniformBins

UNIT = ActionNormalizer(center=jnp.zeros(3), half_range=jnp.ones(3))


def as_chunk(*steps: list[float]) -> np.ndarray:
    return np.array([steps], np.float32)


def test_four_bins_by_hand() -> None:
    # Boundaries -1, -0.5, 0, 0.5, 1: a bin holds its lower end, and +1 has a token of its own.
    bins = UniformBins(UNIT, chunk_length=3, num_levels=5)
    tokens = bins.tokenize(as_chunk([-1.0, -0.51, -0.5], [-0.01, 0.0, 0.49], [0.5, 0.99, 1.0]))
    np.testing.assert_array_equal(tokens[0, ..., 0], [[0, 0, 1], [1, 2, 2], [3, 3, 4]])
    actions = bins.detokenize(tokens)
    np.testing.assert_allclose(actions[0], [[-0.75, -0.75, -1.0], [-0.25, 0.25, 1.0], [0.75, 0.75, 1.0]], atol=1e-7)


def test_units_are_those_of_the_dataset() -> None:
    normalizer = ActionNormalizer(center=jnp.array([10.0, 0.0, 0.0]), half_range=jnp.array([4.0, 0.1, 1.0]))
    bins = UniformBins(normalizer, chunk_length=1, num_levels=5)
    tokens = bins.tokenize(as_chunk([10.1, -0.09, -1.0]))
    np.testing.assert_array_equal(tokens[0, 0, :, 0], [2, 0, 0])
    np.testing.assert_allclose(bins.detokenize(tokens)[0, 0], [11.0, -0.075, -1.0], atol=1e-6)


def test_actions_outside_the_range_are_clipped() -> None:
    bins = UniformBins(UNIT, chunk_length=1)
    np.testing.assert_array_equal(bins.tokenize(as_chunk([-7.0, 7.0, 1.0]))[0, 0, :, 0], [0, 255, 255])


def test_tokens_are_those_of_numpy_digitize_even_next_to_boundaries() -> None:
    boundaries = np.linspace(-1, 1, 256)
    nearest = boundaries.astype(np.float32)
    sides = [np.nextafter(nearest, np.float32(-2)), nearest, np.nextafter(nearest, np.float32(2))]
    random = np.random.default_rng(0).uniform(-1, 1, 3 * 50_000).astype(np.float32)
    values = np.clip(np.concatenate([random, *sides]), -1, 1)
    bins = UniformBins(UNIT, chunk_length=1)
    tokens = bins.tokenize(values.reshape(-1, 1, 3))
    assert tokens.dtype == jnp.int32
    np.testing.assert_array_equal(np.asarray(tokens).reshape(-1), np.digitize(values, boundaries) - 1)
    middles = ((boundaries[:-1] + boundaries[1:]) / 2)[np.minimum(np.digitize(values, boundaries) - 1, 254)]
    decoded = np.asarray(bins.detokenize(tokens))
    np.testing.assert_allclose(decoded[..., :2], middles.reshape(-1, 1, 3)[..., :2], atol=1e-7)
    np.testing.assert_array_equal(decoded[..., 2], np.where(middles.reshape(-1, 1, 3)[..., 2] >= 0, 1.0, -1.0))
    assert np.abs(decoded - values.reshape(-1, 1, 3))[..., :2].max() <= 1 / 255 + 1e-6


def test_every_token_decodes_into_the_range() -> None:
    normalizer = ActionNormalizer.from_quantiles([-0.2, 0.0, 0.0], [0.6, 0.1, 1.0])
    bins = UniformBins(normalizer, chunk_length=1)
    tokens = jnp.broadcast_to(jnp.arange(-3, 300)[:, None, None, None], (303, 1, 3, 1))
    actions = np.asarray(bins.detokenize(tokens))[:, 0]
    assert (actions[:, :2] >= [-0.2, 0.0]).all()
    assert (actions[:, :2] <= [0.6, 0.1]).all()
    assert (np.diff(actions[:, 0]) >= 0).all()
    assert set(actions[:, 2]) == {-1.0, 1.0}


def test_no_layer_decodes_to_the_middle_and_more_than_one_is_refused() -> None:
    normalizer = ActionNormalizer.from_quantiles([-0.2, 0.0, 0.0], [0.6, 0.1, 1.0])
    bins = UniformBins(normalizer, chunk_length=1)
    tokens = bins.tokenize(as_chunk([0.6, 0.0, -1.0]))
    np.testing.assert_allclose(bins.detokenize(tokens, 0)[0, 0], [0.2, 0.05, 1.0], atol=1e-6)
    np.testing.assert_array_equal(bins.detokenize(tokens, num_layers=1), bins.detokenize(tokens))
    for num_layers in (-1, 2):
        with pytest.raises(ValueError, match=f"num_layers is {num_layers}; .* must be 0 or 1"):
            bins.detokenize(tokens, num_layers)


def test_passes_through_jit_as_a_pytree() -> None:
    bins = UniformBins(UNIT, chunk_length=1)
    chunk = as_chunk([0.3, -0.7, 1.0])
    round_trip = jax.jit(lambda bins, actions: bins.detokenize(bins.tokenize(actions)))
    np.testing.assert_array_equal(round_trip(bins, chunk), bins.detokenize(bins.tokenize(chunk)))


def test_wrong_shapes_and_too_few_levels_are_named() -> None:
    bins = UniformBins(UNIT, chunk_length=8)
    with pytest.raises(ValueError, match=r"actions has shape \(2, 7, 3\); this tokenizer takes \[B, 8, 3\]"):
        bins.tokenize(np.zeros((2, 7, 3), np.float32))
    with pytest.raises(ValueError, match=r"tokens has shape \(2, 8, 3\); this tokenizer takes \[B, 8, 3, 1\]"):
        bins.detokenize(np.zeros((2, 8, 3), np.int32))
    with pytest.raises(ValueError, match="num_levels is 1"):
        UniformBins(UNIT, chunk_length=8, num_levels=1)


def test_what_is_no_number_or_no_token_is_named() -> None:
    bins = UniformBins(UNIT, chunk_length=1)
    with pytest.raises(ValueError, match=r"actions\[0, 0, 1\] is nan; actions must be finite"):
        bins.tokenize(as_chunk([0.0, np.nan, 1.0]))
    with pytest.raises(ValueError, match="tokens is float32; tokens must be whole numbers"):
        bins.detokenize(np.zeros((1, 1, 3, 1), np.float32))
    assert bins.detokenize(bins.tokenize(np.zeros((0, 1, 3)))).shape == (0, 1, 3)
