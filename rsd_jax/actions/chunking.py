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
    _check_chunk_length(chunk_length)
    steps = np.arange(actions.shape[0])[:, None] + np.arange(chunk_length)
    return Chunks(actions=actions[np.minimum(steps, len(actions) - 1)], mask=steps < len(actions))


def foreseeable_steps(is_disturbed: NDArray[np.bool_], chunk_length: int) -> NDArray[np.bool_]:
    """Which labels of the chunk that starts at every step follow from what was seen at its first step.

    A label behind a step at which something else was executed answers a push that nobody could foresee.

    Args:
        is_disturbed: ``bool [T]``, whether another action than the label was executed.
        chunk_length: C.

    Returns:
        ``bool [T, C]``; entry (t, c) is True if no step from t to t + c - 1 was disturbed; behind the episode's end,
        if none from t to that end was.

    Raises:
        ValueError: if `is_disturbed` is not ``[T]``, or `chunk_length` < 1.
    """
    if is_disturbed.ndim != 1:
        raise ValueError(f"is_disturbed has shape {is_disturbed.shape}; expected [T]")
    _check_chunk_length(chunk_length)
    pushes = np.concatenate([[0], np.cumsum(is_disturbed)])  # before each step, and at the end
    first = np.arange(len(is_disturbed))[:, None]
    return pushes[np.minimum(first + np.arange(chunk_length), len(is_disturbed))] == pushes[first]


def _check_chunk_length(chunk_length: int) -> None:
    if chunk_length < 1:
        raise ValueError(f"chunk_length is {chunk_length}; it must be at least 1")
