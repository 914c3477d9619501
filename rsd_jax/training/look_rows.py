"""Rows that also hold what a main policy made of an earlier frame of their episode, which a draft policy remembers."""

import numpy as np
from numpy.typing import NDArray

from rsd_jax.training.row_sources import Rows

LOOK = ("look_features", "look_age")
"""Of a row: what the main policy made of the frame of its last look, and how many calls ago; 0 where there is none."""


def with_looks(rows: Rows, features: NDArray[np.float32], chunk_length: int, oldest: int, seed: int = 0) -> Rows:
    """Adds `LOOK`.

    The age of each row's look is drawn among those that its episode has, from 1 to `oldest` calls, once for all.

    Args:
        rows: of `rsd_jax.training.policy_rows.policy_rows`, a row a step, episode after episode; its masks tell where
            episodes end.
        features: of the main policy at every row, ``[N, S, F]``.
        chunk_length: C, steps between two calls.
        oldest: largest age.
        seed: of the ages.

    Raises:
        ValueError: `oldest` is below 1.
    """
    if oldest < 1:
        raise ValueError(f"oldest is {oldest}; it must be at least 1, the call before")
    step = steps_of_episodes(rows["mask"])
    possible = np.minimum(step // chunk_length, oldest)
    age = np.where(possible > 0, 1 + np.random.default_rng(seed).integers(0, np.maximum(possible, 1)), 0)
    look = np.arange(len(step)) - age * chunk_length
    return {**rows, "look_features": features[look], "look_age": age.astype(np.int32)}


def episodes_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of every row's episode, from 0; raises as `steps_of_episodes`."""
    return np.cumsum(steps_of_episodes(mask) == 0) - 1


def steps_of_episodes(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The step within its episode of every row, of masks ``[N, S]`` that are False behind their episode's end.

    Raises:
        ValueError: a mask has fewer than two steps, or the last row does not end an episode: ends would not be told.
    """
    if mask.shape[1] < 2 or mask[-1, 1:].any():
        raise ValueError(f"mask is {mask.shape}; it must have two steps or more, and its last row must end an episode")
    ends = ~mask[:, 1]
    first = np.concatenate([[True], ends[:-1]])
    number = np.arange(len(mask))
    return number - np.maximum.accumulate(np.where(first, number, 0))
