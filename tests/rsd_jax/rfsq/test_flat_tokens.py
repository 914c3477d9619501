import numpy as np
import pytest

from rsd_jax.rfsq import from_flat, to_flat


def test_by_hand() -> None:
    tokens = np.array([[[[0, 5], [1, 6]], [[2, 3], [4, 0]]]])  # C = 2 steps, D = 2 latents, L = 2 layers
    flat = to_flat(tokens, num_levels=7, first_id=100)
    assert flat.tolist() == [[100, 101, 102, 104, 112, 113, 110, 107]]
    np.testing.assert_array_equal(from_flat(flat, 2, 2, 7, first_id=100), tokens)


def test_a_prefix_of_whole_layers_is_a_sequence_too() -> None:
    tokens = np.random.default_rng(0).integers(0, 7, (3, 8, 16, 8))
    flat = to_flat(tokens, 7)
    assert flat.shape == (3, 8 * 16 * 8)
    np.testing.assert_array_equal(from_flat(flat[:, : 3 * 128], 8, 16, 7), tokens[..., :3])


def test_what_is_no_sequence_is_named() -> None:
    flat = to_flat(np.zeros((1, 2, 2, 2), int), 7)
    with pytest.raises(ValueError, match=r"sequences has shape \(1, 7\); expected \[B, M \* 4\]"):
        from_flat(flat[:, :-1], 2, 2, 7)
    flat[0, 5] = 3
    with pytest.raises(ValueError, match=r"sequences\[0, 5\] is 3; at this place stand ids of layer 1: 7 .. 13"):
        from_flat(flat, 2, 2, 7)
    with pytest.raises(ValueError, match="tokens holds values from 0 to 7"):
        to_flat(np.full((1, 1, 1, 1), 7) * np.array([0, 1]), 7)
    with pytest.raises(ValueError, match=r"tokens has shape \(2, 2\)"):
        to_flat(np.zeros((2, 2), int), 7)


def test_numbers_that_are_no_ids_are_named() -> None:
    tokens = np.zeros((1, 2, 2, 2))
    with pytest.raises(ValueError, match=r"tokens is float(32|64); tokens must be whole numbers"):
        to_flat(tokens, 7)
    with pytest.raises(ValueError, match="sequences is float64; sequences must be whole numbers"):
        from_flat(np.zeros((1, 8)), 2, 2, 7)
    with pytest.raises(ValueError, match=r"tokens\[0, 1, 0, 1\] is -1"):
        to_flat(np.array([[[[0, 5], [1, 6]], [[2, -1], [4, 0]]]]), 7)
    for first_id in (-1, 2**31 - 13, 0.5):
        with pytest.raises(ValueError, match=f"first_id is {first_id}; it must be a whole number, and its 14 ids"):
            to_flat(tokens.astype(int), 7, first_id)


def test_no_sequence_at_all() -> None:
    assert to_flat(np.zeros((0, 2, 2, 3), int), 7).shape == (0, 12)
    assert from_flat(np.zeros((0, 12), int), 2, 2, 7).shape == (0, 2, 2, 3)
    assert from_flat(np.zeros((1, 0), int), 2, 2, 7).shape == (1, 2, 2, 0)
