import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq import RepetitionFrame, RfsqTokenizer, make_table
from rsd_jax.rfsq.baselines import DctBpe, UniformBins
from rsd_jax.rfsq.strategies import Staggered
from rsd_jax.tokenizer_analysis import largest_change
from rsd_jax.tokenizer_analysis.baseline_measures import measure_bins, measure_dct_bpe
from rsd_jax.tokenizer_analysis.largest_change import extreme_suffixes
from rsd_jax.tokenizer_analysis.measures import measure
from rsd_jax.training.objectives.action_autoencoding import ActionAutoencoding
from rsd_jax.training.stages.rfsq import loss_forward


def _actions(chunks: int, seed: int = 0) -> np.ndarray:
    walk = np.cumsum(np.random.default_rng(seed).normal(0, 0.1, (chunks, 8, 7)), axis=1).clip(-1, 1)
    walk[..., 6] = np.sign(walk[..., 6])
    return walk.astype(np.float32)


NORMALIZER = ActionNormalizer(jnp.zeros(7), jnp.ones(7))
STAGGERED = RfsqTokenizer({}, Staggered().fixed_table(), NORMALIZER, RepetitionFrame(), 8)


@pytest.fixture(scope="module")
def figures() -> dict:
    with pytest.MonkeyPatch.context() as patch:
        # Columns of this code are independent: few strings and sweeps find what the real numbers do.
        patch.setattr(largest_change, "STRINGS", 16)
        patch.setattr(largest_change, "SWEEPS", 12)
        largest_change._search.clear_cache()
        found = measure(STAGGERED, _actions(300, 1), _actions(300, 2), seed=0)
        largest_change._search.clear_cache()
    return found


def test_errors_and_bounds_of_a_code_whose_bounds_are_known(figures) -> None:
    assert figures["token_mse_by_layer"][-1] == pytest.approx((1 / 75**2 + 1 / 58**2) / 2 / 12, rel=0.1)
    assert figures["smallest_layer_gain"] > 1.2
    assert figures["gripper_exact"] == 1.0
    assert figures["bounds"]["largest_excess"] <= 1e-6
    assert 1.0 <= figures["bounds"]["largest_ratio"] < 1.3
    assert np.all(np.diff(figures["residual_scale_by_layer"]) < 0)


def test_flips_follow_the_number_of_cells(figures) -> None:
    # boundaries a unit of length: 8 / 0.32 and 9 / 0.3103, met with the mean distance that the noise moves
    per_step = 9 * 8 / 0.32 + 6 * 9 / 0.3103
    expected = per_step * 1e-2 * np.sqrt(2 / np.pi)
    assert figures["changed_tokens_per_step"]["1e-2"] == pytest.approx(expected, rel=0.25)
    digits = np.asarray(STAGGERED.informative).sum()
    assert figures["flips"]["1e-2"] == pytest.approx(figures["changed_tokens_per_step"]["1e-2"] / digits, rel=1e-6)
    assert figures["flips"]["1e-3"] < figures["flips"]["1e-2"] < figures["flips_moving"]["1e-2"] * 1.01


def test_the_search_finds_what_one_string_is_known_to_do(figures) -> None:
    found = np.asarray(figures["bounds"]["largest_found_by_layer"])
    bound = np.stack([np.asarray(STAGGERED.error_bound(depth)) for depth in range(9)])
    np.testing.assert_allclose(found[1:], bound[1:], rtol=1e-3, atol=1e-6)


def test_extreme_suffixes_by_hand() -> None:
    table = make_table(np.zeros((2, 1)), np.array([[1.0], [0.25]]), 7, fold=np.ones((2, 1), bool))
    whole, last, nothing = np.asarray(extreme_suffixes(table))
    lowest, highest = whole
    # digit 3 mirrors what follows: the largest value needs the smallest residual's digit behind it
    assert highest.tolist() == [[6, 0]]
    assert lowest.tolist() == [[0, 6]]
    # layers in front of the suffix have the middle digit
    assert last.tolist() == [[[3, 0]], [[3, 6]]]
    assert nothing.tolist() == [[[3, 3]], [[3, 3]]]


def test_the_loss_forward_is_what_tokens_decode_to() -> None:
    objective = ActionAutoencoding(RepetitionFrame(), Staggered(), 8)
    actions = _actions(64, 3)
    decoded = STAGGERED.detokenize(STAGGERED.tokenize(actions))
    np.testing.assert_array_equal(loss_forward(objective, STAGGERED, actions), decoded)


def test_baselines_have_the_figures_that_they_share() -> None:
    actions = _actions(200)
    bins = measure_bins(UniformBins(NORMALIZER, 8), _actions(100, 1), seed=0)
    strings = measure_dct_bpe(DctBpe.train(actions, NORMALIZER, 50.0), _actions(100, 1), seed=0)
    assert bins["token_mse_by_layer"][0] == pytest.approx((2 / 255) ** 2 / 12, rel=0.1)
    assert bins["flips"]["1e-3"] < 0.3 < bins["flips"]["1e-2"]
    assert strings["decodable_fraction_of_random_strings"] < 0.2
    assert strings["token_mse_by_layer"][0] < 1e-3
    assert strings["flips"]["1e-3"] <= strings["changed_strings"]["1e-3"]
    assert set(bins) - {"informative_fraction"} <= set(strings)
