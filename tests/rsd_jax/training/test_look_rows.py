"""Rows with an earlier frame of their episode."""

import numpy as np
import pytest

from rsd_jax.training.look_rows import episodes_of, with_looks

STEPS, CHUNK, OLDEST = (11, 1, 30), 4, 3
"""Of three episodes; one is over after a step."""


@pytest.fixture
def rows():
    """States that say which episode they are of, and which step of it."""
    episode = np.repeat(np.arange(len(STEPS)), STEPS)
    step = np.concatenate([np.arange(count) for count in STEPS])
    left = np.concatenate([np.arange(count, 0, -1) for count in STEPS])
    return {
        "proprio": np.stack([episode, step], axis=1).astype(np.float32),
        "mask": np.arange(2 * CHUNK) < left[:, None],
    }


def test_a_look_is_a_row_of_the_same_episode_whole_calls_earlier(rows):
    found = with_looks(rows, rows["proprio"], CHUNK, OLDEST)
    episode, step = rows["proprio"].T
    age = found["look_age"]
    np.testing.assert_array_equal(found["look_features"], np.stack([episode, step - CHUNK * age], axis=1))
    assert age.dtype == np.int32
    for name, array in rows.items():
        assert found[name] is array


def test_ages_reach_from_the_call_before_to_the_oldest_and_never_beyond_the_episodes_beginning(rows):
    step = rows["proprio"][:, 1]
    ages = np.stack([with_looks(rows, rows["proprio"], CHUNK, OLDEST, seed)["look_age"] for seed in range(40)])
    for row, drawn in enumerate(ages.T):
        possible = min(int(step[row]) // CHUNK, OLDEST)
        # Of a first chunk there is no earlier look; of the others every age occurs.
        assert set(drawn.tolist()) == (set(range(1, possible + 1)) or {0}), row


def test_ages_depend_on_the_seed_alone(rows):
    first, again, other = (with_looks(rows, rows["proprio"], CHUNK, OLDEST, seed)["look_age"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_episodes_are_numbered(rows):
    np.testing.assert_array_equal(episodes_of(rows["mask"]), rows["proprio"][:, 0])


def test_masks_that_do_not_tell_where_episodes_end_are_refused(rows):
    for mask in (rows["mask"][:, :1], rows["mask"][:-1]):
        with pytest.raises(ValueError, match=rf"mask is \({len(mask)}, .*its last row must end an episode"):
            episodes_of(mask)
    with pytest.raises(ValueError, match="oldest is 0; it must be at least 1"):
        with_looks(rows, rows["proprio"], CHUNK, 0)
