"""What exact refinement promises, for every strategy that refines exactly."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_jax.rfsq import QuantizerTable, dequantize, make_strategy, quantize
from rsd_jax.rfsq.strategies import Geometric, Nested, Staggered
from rsd_jax.rfsq.strategies.fixed import evenly_spread
from rsd_jax.rfsq.strategies.staggered import stagger

NESTED = {
    "nested": Nested().fixed_table(),
    "no_splits": Nested(splits=0).fixed_table(),
    "all_splits": Nested(splits=7).fixed_table(),
    "staggered": Staggered().fixed_table(),
}


@pytest.fixture(params=NESTED, scope="module")
def table(request: pytest.FixtureRequest) -> QuantizerTable:
    return NESTED[request.param]


def _sweep(points: int) -> np.ndarray:
    return _everywhere(np.linspace(-1, 1, points, dtype=np.float32))


def _everywhere(values: np.ndarray) -> np.ndarray:
    """Chunks of one step whose latents all have the same value."""
    return np.broadcast_to(values[:, None, None], (len(values), 1, 16))


@pytest.fixture(scope="module")
def swept(table: QuantizerTable) -> np.ndarray:
    """Tokens of a sweep far finer than the finest cell."""
    return np.asarray(quantize(table, _sweep(20_001)))


def test_crossing_any_cell_boundary_changes_exactly_one_digit(swept: np.ndarray) -> None:
    tokens = swept[:, 0]
    changes = (tokens[1:] != tokens[:-1]).sum(axis=-1)
    assert set(np.unique(changes)) <= {0, 1}
    assert (changes.sum(axis=0) > 0).all()


def test_a_one_cell_change_of_a_latent_changes_one_digit(table: QuantizerTable, swept: np.ndarray) -> None:
    cells = 2 / _finest_cell(table, swept)
    for latent in (0, 9, 15):
        middle = np.linspace(-0.9, 0.9, 301, dtype=np.float32)
        decoded = np.asarray(dequantize(table, quantize(table, _everywhere(middle))))[:, 0, latent]
        next_cell = decoded + 2 / cells[latent]
        first, second = (np.asarray(quantize(table, _everywhere(v))) for v in (decoded, next_cell))
        changes = (first != second).sum(axis=-1)[:, 0, latent]
        assert (changes <= 1).all()
        assert (changes[next_cell < 1] == 1).all()


def _finest_cell(table: QuantizerTable, swept: np.ndarray) -> np.ndarray:
    """Width of the cells after all layers, from a sweep: the largest distance within one token string."""
    decoded = np.asarray(dequantize(table, jnp.asarray(swept), 8))
    return 2 * np.abs(decoded - _sweep(20_001)).max(axis=(0, 1))


def test_the_error_is_at_most_half_a_cell_at_every_depth(table: QuantizerTable) -> None:
    latents = _sweep(4001)
    tokens = quantize(table, latents)
    width = np.asarray(table.step)[0] * np.where(np.asarray(table.mode)[0] == 2, 2, 1)
    for depth in range(1, 9):
        error = np.abs(np.asarray(dequantize(table, tokens, depth)) - np.asarray(latents)).max(axis=(0, 1))
        assert (error <= width / 2 + 1e-6).all(), depth
        if depth < 8:
            width = width / np.asarray(table.mode)[depth]


def test_decoded_values_code_to_the_tokens_they_came_from(table: QuantizerTable) -> None:
    tokens = quantize(table, _sweep(4001))
    np.testing.assert_array_equal(quantize(table, dequantize(table, tokens, 8)), tokens)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), depth=st.integers(0, 8))
def test_later_layers_change_no_more_than_the_largest_remainder(seed: int, depth: int) -> None:
    tokens = jnp.asarray(np.random.default_rng(seed).integers(0, 7, (64, 8, 16, 8)), jnp.int32)
    for table in NESTED.values():
        change = np.abs(np.asarray(dequantize(table, tokens, 8)) - np.asarray(dequantize(table, tokens, depth)))
        assert (change <= np.asarray(table.largest_remainder)[depth] + 1e-6).all()


def test_largest_remainder_by_hand() -> None:
    table = Nested(num_layers=3, latent_dim=1, splits=2).fixed_table()
    # cells of 2/7; halved: levels at a quarter, 1/14; halved again: 1/28
    np.testing.assert_allclose(
        table.largest_remainder[:, 0], [6 / 7 + 1 / 14 + 1 / 28, 1 / 14 + 1 / 28, 1 / 28, 0], rtol=1e-5
    )


def test_tokens_that_a_digit_lacks_are_read_as_ones_that_it_has(table: QuantizerTable) -> None:
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 7, (200, 8, 16, 8)), jnp.int32)
    latents = dequantize(table, tokens)
    assert bool(jnp.isfinite(latents).all())
    exists = np.asarray(table.levels_exist)
    layers, columns = np.meshgrid(np.arange(8), np.arange(16), indexing="ij")
    valid = exists[layers.T, columns.T, np.asarray(quantize(table, latents))]
    assert valid.all()


def test_informative_digits_are_those_that_move(table: QuantizerTable, swept: np.ndarray) -> None:
    tokens = swept[:, 0]
    np.testing.assert_array_equal(table.informative, (tokens != tokens[:1]).any(axis=0).T)


def test_geometric_layers_are_digits_in_base_seven() -> None:
    table = Geometric(num_layers=3, latent_dim=1).fixed_table()
    number = 5 * 49 + 2 * 7 + 6  # of 343 cells, the one with digits 5, 2, 6
    latent = jnp.full((1, 1, 1), (number + 0.5) / 343 * 2 - 1)
    np.testing.assert_array_equal(quantize(table, latent)[0, 0, 0], [5, 2, 6])


@pytest.mark.parametrize(("copies", "parts"), [(1, 8), (2, 9), (3, 8), (3, 16), (5, 27)])
def test_the_mean_of_staggered_copies_is_a_uniform_quantizer(copies: int, parts: int) -> None:
    cell, shifts = stagger(copies, parts, 7)
    value = np.linspace(-1, 1, 200_001)[:, None]
    width, offset = cell / parts, cell * shifts + cell / 2  # boundaries at half a first cell from an offset
    decoded = ((np.floor((value - offset) / width) + 0.5) * width + offset).mean(axis=1)
    levels = np.unique(decoded.round(9))
    np.testing.assert_allclose(np.diff(levels), width / copies, rtol=1e-6)
    assert np.abs(decoded - value[:, 0]).max() <= width / copies / 2 + 1e-9
    for exact in (-1.0, 0.0, 1.0):
        assert np.abs(levels - exact).min() < 1e-9
    assert (np.abs(cell * shifts) + 1 <= 3.5 * cell + 1e-9).all(), "the first layer tiles [-1, 1]"


def test_evenly_spread_by_hand() -> None:
    assert evenly_spread(3, 7, 0.0).astype(int).tolist() == [0, 0, 1, 0, 1, 0, 1]
    assert evenly_spread(0, 4, 0.9).sum() == 0
    assert evenly_spread(7, 7, 0.3).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"strategy": "nestet"}, "quantizer strategy is 'nestet'; it must be one of layernorm"),
        ({"strategy": "nested", "splits": 8}, "splits is 8; it must be between 0 and num_layers - 1 = 7"),
        ({"strategy": "nested", "split": 5}, "cannot be made of"),
        ({"strategy": "staggered", "copies": (2, 14)}, "must have one entry for each"),
        ({"strategy": "staggered", "latent_dim": 15}, "make 16 latents, not latent_dim = 15"),
        ({"strategy": "staggered", "factors": (3, 2, 2, 3, 3, 3, 2)}, r"factors\[0\] is 3 with 3 copies"),
        ({"strategy": "staggered", "splits": (9, 3, 3, 2, 2, 2, 0)}, r"splits\[0\] is 9"),
    ],
)
def test_settings_that_no_table_can_have(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_strategy(**fields)
