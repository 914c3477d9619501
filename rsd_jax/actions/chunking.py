"""Cuts an episode's actions into chunks, one for each step at which a policy could decide."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Chunks(NamedTuple):
    """Chunks of one episode.

    Attributes:
        actions: ``[T, C, A]``; chunk t holds the actions of steps t .. t + C - 1, behind the episode's end the last
            action repeated.
        mask: ``bool [T, C]``; False behind the episode's end.
    """

    actions: NDArray[np.float32]
    mask: NDArray[np.bool_]


def chunk_episode(actions: NDArray[np.float32], chunk_length: int) -> Chunks:
    """Returns the chunk that starts at every step of `actions` ``[T, A]``.

    Raises:
        ValueError: if `actions` is not ``[T, A]`` with T >= 1, or `chunk_length` < 1.
    """
    if actions.ndim != 2 or actions.shape[0] < 1:
        raise ValueError(f"actions has shape {actions.shape}; expected [T, A] with at least one step")
    if chunk_length < 1:
        raise ValueError(f"chunk_length is {chunk_length}; it must be at least 1")
    steps = np.arange(actions.shape[0])[:, None] + np.arange(chunk_length)
    return Chunks(actions=actions[np.minimum(steps, len(actions) - 1)], mask=steps < len(actions))
