import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dct

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.rfsq.baselines import DctBpe

SCALE = 10.0
STEPS, DIMENSIONS = 8, 4


def smooth_chunks(count: int, seed: int) -> np.ndarray:
    """Slow sines in the dataset's units, and a gripper that closes at most once."""
    draw = np.random.default_rng(seed)
    size = (count, 1, DIMENSIONS - 1)
    phase = draw.uniform(0, 2 * np.pi, size) + draw.uniform(0, 0.2, size) * np.arange(STEPS)[:, None]
    moves = draw.uniform(0, 0.5, size) * np.sin(phase)
    gripper = np.where(np.arange(STEPS) >= draw.choice([0, 4, STEPS], (count, 1)), 1.0, -1.0)
    return np.concatenate([moves, gripper[..., None]], axis=-1).astype(np.float32)


ACTIONS = smooth_chunks(2000, seed=0)
NORMALIZER = ActionNormalizer.from_actions(ACTIONS.reshape(-1, DIMENSIONS))


@pytest.fixture(scope="module")
def tokenizer() -> DctBpe:
    return DctBpe.train(ACTIONS, NORMALIZER, SCALE, vocab_size=300)


def half_ranges(actions: np.ndarray) -> np.ndarray:
    return np.asarray(NORMALIZER.normalize(jnp.asarray(actions)))


def test_one_step_by_hand() -> None:
    # Of one step the transform is the step itself: -0.5, 0.26 and 1 become -5, 3 and 10, of which none is merged.
    unit = ActionNormalizer(center=jnp.zeros(3), half_range=jnp.ones(3))
    chunk = np.array([[[-0.5, 0.26, 1.0]]], np.float32)
    tokenizer = DctBpe.train(chunk, unit, scale=10.0, vocab_size=100)
    assert tokenizer.vocab_size == 21
    assert tokenizer.tokenize(chunk) == [[5, 13, 20]]
    actions, is_decodable = tokenizer.detokenize([[5, 13, 20]])
    np.testing.assert_allclose(actions, [[[-0.5, 0.3, 1.0]]], atol=1e-6)
    assert is_decodable.tolist() == [True]


def test_the_alphabet_holds_the_ends_of_the_range_though_rounded_outwards() -> None:
    unit = ActionNormalizer(center=jnp.zeros(3), half_range=jnp.ones(3))
    tokenizer = DctBpe.train(np.zeros((1, 1, 3), np.float32), unit, scale=2.6, vocab_size=7)
    assert tokenizer.tokenize(np.array([[[1.0, -1.0, 1.0]]], np.float32)) == [[6, 0, 6]]


def test_pairs_that_occur_twice_become_one_token() -> None:
    unit = ActionNormalizer(center=jnp.zeros(3), half_range=jnp.ones(3))
    chunks = np.array([[[0.1, 0.2, 1.0]], [[0.1, 0.2, -1.0]]], np.float32)
    tokenizer = DctBpe.train(chunks, unit, scale=10.0, vocab_size=100)
    assert tokenizer.vocab_size == 22
    assert tokenizer.tokenize(chunks) == [[21, 20], [21, 0]]
    assert tokenizer.detokenize([[21, 20], [21, 0]]).is_decodable.all()


def test_integers_are_rounded_frequencies_lowest_first(tokenizer: DctBpe) -> None:
    expected = np.rint(SCALE * dct(half_ranges(ACTIONS[:50]), axis=1, norm="ortho")).astype(int)
    unmerged = DctBpe.train(ACTIONS, NORMALIZER, SCALE, vocab_size=2 * tokenizer.largest_integer + 1)
    tokens = np.array(unmerged.tokenize(ACTIONS[:50]))
    np.testing.assert_array_equal(tokens - tokenizer.largest_integer, expected.reshape(50, -1))


def test_nothing_but_rounding_is_lost(tokenizer: DctBpe) -> None:
    actions, is_decodable = tokenizer.detokenize(tokenizer.tokenize(ACTIONS))
    assert is_decodable.all()
    # A coefficient is off by at most half an integer, and the transform keeps the sum of squares.
    error = half_ranges(actions) - half_ranges(ACTIONS)
    assert np.sqrt(np.square(error).mean(axis=1)).max() <= 1 / (2 * SCALE) + 1e-6
    np.testing.assert_array_equal(actions[..., -1], ACTIONS[..., -1])


def test_any_chunk_of_other_data_keeps_the_bound(tokenizer: DctBpe) -> None:
    draw = np.random.default_rng(1)
    noise = np.where(draw.random((500, 1, 1)) < 0.5, np.sign(draw.normal(size=(500, STEPS, DIMENSIONS))), 0.5)
    noise *= draw.uniform(0, 1, noise.shape) ** draw.choice([0, 1], (500, 1, 1))
    noise[..., -1] = np.sign(noise[..., -1] + 1e-9)
    actions = np.asarray(NORMALIZER.denormalize(jnp.asarray(noise, jnp.float32)))
    decoded, is_decodable = tokenizer.detokenize(tokenizer.tokenize(actions))
    assert is_decodable.all()
    error = (half_ranges(decoded) - half_ranges(actions))[..., :-1]
    assert np.sqrt(np.square(error).mean(axis=1)).max() <= 1 / (2 * SCALE) + 1e-6


@pytest.mark.parametrize("end", [-1.0, 1.0])
@pytest.mark.parametrize("steps", [1, STEPS])
def test_actions_outside_the_range_count_as_its_end(tokenizer: DctBpe, end: float, steps: int) -> None:
    normalized = np.full((1, STEPS, DIMENSIONS), 0.2)
    normalized[:, :steps] = end
    at_end = np.asarray(NORMALIZER.denormalize(jnp.asarray(normalized, jnp.float32)))
    outside = at_end.copy()
    outside[:, :steps, :-1] += 9 * end
    assert tokenizer.tokenize(outside) == tokenizer.tokenize(at_end)
    assert tokenizer.detokenize(tokenizer.tokenize(outside)).is_decodable.all()


def test_smooth_chunks_take_far_fewer_tokens_than_numbers(tokenizer: DctBpe) -> None:
    lengths = [len(sequence) for sequence in tokenizer.tokenize(smooth_chunks(500, seed=2))]
    assert np.mean(lengths) < STEPS * DIMENSIONS / 2
    assert len(set(lengths)) > 1


def test_training_is_deterministic(tokenizer: DctBpe) -> None:
    again = DctBpe.train(ACTIONS, NORMALIZER, SCALE, vocab_size=300)
    assert again.bpe.to_str() == tokenizer.bpe.to_str()
    assert again.vocab_size == 300


def test_most_random_strings_are_no_chunk_and_decode_to_the_middle(tokenizer: DctBpe) -> None:
    draw = np.random.default_rng(3)
    lengths = [len(sequence) for sequence in tokenizer.tokenize(smooth_chunks(500, seed=2))]
    actions, is_decodable = tokenizer.detokenize([draw.integers(0, 300, n).tolist() for n in lengths])
    assert is_decodable.mean() < 0.2
    assert np.isfinite(actions).all()
    middle = np.append(np.asarray(NORMALIZER.center)[:-1], 1.0)
    np.testing.assert_allclose(actions[~is_decodable], np.broadcast_to(middle, actions[~is_decodable].shape))


def test_a_lost_or_doubled_token_is_reported(tokenizer: DctBpe) -> None:
    chunks = smooth_chunks(50, seed=4)
    sequences = tokenizer.tokenize(chunks)
    damaged = [sequence[:2] + sequence[3:] for sequence in sequences]
    doubled = [[*sequence, sequence[-1]] for sequence in sequences]
    assert not tokenizer.detokenize(damaged).is_decodable.any()
    assert not tokenizer.detokenize(doubled).is_decodable.any()
    actions, is_decodable = tokenizer.detokenize([sequences[0], damaged[1], sequences[2]])
    assert is_decodable.tolist() == [True, False, True]
    np.testing.assert_allclose(half_ranges(actions[[0, 2]]), half_ranges(chunks[[0, 2]]), atol=math.sqrt(STEPS) / 20)


def test_ids_that_are_no_token_and_empty_sequences_are_reported(tokenizer: DctBpe) -> None:
    unit = ActionNormalizer(center=jnp.zeros(3), half_range=jnp.ones(3))
    unmerged = DctBpe.train(np.zeros((1, 1, 3), np.float32), unit, scale=10.0, vocab_size=21)
    is_decodable = unmerged.detokenize([[0, 20, 20], [0, 20, 21], [0, 20, -1], []]).is_decodable
    assert is_decodable.tolist() == [True, False, False, False]
    assert tokenizer.detokenize([]).actions.shape == (0, STEPS, DIMENSIONS)


def test_settings_that_cannot_be_met_are_named(tokenizer: DctBpe) -> None:
    with pytest.raises(ValueError, match=r"vocab_size is 58; .* 59 values"):
        DctBpe.train(ACTIONS, NORMALIZER, SCALE, vocab_size=58)
    with pytest.raises(ValueError, match=r"scale is 0; it must be positive"):
        DctBpe.train(ACTIONS, NORMALIZER, scale=0)
    with pytest.raises(ValueError, match=r"actions has shape \(2000, 8, 3\); expected \[N, C, 4\]"):
        DctBpe.train(ACTIONS[..., :3], NORMALIZER)
    with pytest.raises(ValueError, match=r"this tokenizer takes \[B, 8, 4\]"):
        tokenizer.tokenize(ACTIONS[:, :7])


def test_what_is_no_number_is_named(tokenizer: DctBpe) -> None:
    chunk = ACTIONS[:2].copy()
    chunk[1, 0, 2] = np.inf
    with pytest.raises(ValueError, match=r"actions\[1, 0, 2\] is inf; actions must be finite"):
        tokenizer.tokenize(chunk)
    with pytest.raises(ValueError, match=r"actions\[1, 0, 2\] is inf; actions must be finite"):
        DctBpe.train(chunk, NORMALIZER)
    assert tokenizer.tokenize(ACTIONS[:0]) == []
