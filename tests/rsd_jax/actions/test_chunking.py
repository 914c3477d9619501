import numpy as np
import pytest

from rsd_jax.actions.chunking import chunk_episode, foreseeable_steps


def test_one_chunk_for_every_step_and_the_end_is_masked() -> None:
    chunks = chunk_episode(np.array([[1.0], [2.0], [3.0]], np.float32), chunk_length=2)
    np.testing.assert_array_equal(chunks.actions[..., 0], [[1, 2], [2, 3], [3, 3]])
    np.testing.assert_array_equal(chunks.mask, [[True, True], [True, True], [True, False]])


@pytest.mark.parametrize("shape", [(0, 7), (3,)])
def test_an_episode_needs_steps(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \[T, A\]"):
        chunk_episode(np.zeros(shape, np.float32), 8)


def test_a_chunk_needs_a_step() -> None:
    with pytest.raises(ValueError, match="chunk_length is 0"):
        chunk_episode(np.zeros((2, 7), np.float32), 0)


def test_what_answers_a_push_between_was_not_foreseeable() -> None:
    # Pushed at step 2: the labels behind it answer the push; its own was given before.
    np.testing.assert_array_equal(
        foreseeable_steps(np.array([False, False, True, False]), chunk_length=3),
        [[True, True, True], [True, True, False], [True, False, False], [True, True, True]],
    )


def test_disturbances_are_told_a_step_each() -> None:
    with pytest.raises(ValueError, match=r"expected \[T\]"):
        foreseeable_steps(np.zeros((3, 7), bool), 8)
    with pytest.raises(ValueError, match="chunk_length is 0"):
        foreseeable_steps(np.zeros(3, bool), 0)
