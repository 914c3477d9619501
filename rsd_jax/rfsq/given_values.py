"""Checks of the numbers that users hand in, where they are known.

In a function that is being traced they are not, and nothing can be raised: it looks at shapes and types alone. Whoever
compiles asks `RfsqTokenizer.valid_actions` or `valid_tokens`, which answer by row.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from numpy.typing import NDArray


def known(values: ArrayLike) -> NDArray[Any] | None:
    """`values` on the host; None while they are traced, or lie in part in another process's memory."""
    if isinstance(values, jax.core.Tracer) or (isinstance(values, jax.Array) and not values.is_fully_addressable):
        return None
    return np.asarray(values)


def check_actions(actions: ArrayLike, chunk_length: int, action_dim: int) -> None:
    """Whether `actions` are chunks ``[B, C, A]`` of numbers that are finite in float32.

    Raises:
        ValueError: another shape, no real numbers, or a number that is not finite.
    """
    shape, dtype = np.shape(actions), _dtype(actions)
    if len(shape) != 3 or shape[1:] != (chunk_length, action_dim):
        raise ValueError(
            f"actions has shape {shape}; this tokenizer takes [B, {chunk_length}, {action_dim}]: chunks of "
            f"{chunk_length} steps with {action_dim} numbers each. Cut or pad the chunk, or train another"
        )
    if not (np.issubdtype(dtype, np.integer) or jnp.issubdtype(dtype, np.floating)):
        raise ValueError(f"actions is {dtype}; actions are real numbers, such as float32")
    if (given := known(actions)) is None:
        return
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(given.astype(np.float32))
    if not is_finite.all():
        place = _first(~is_finite)
        raise ValueError(
            f"actions{list(place)} is {given[place]}; actions must be finite numbers in float32. Leave out the chunk, "
            "or mend what made it"
        )


def check_tokens(tokens: ArrayLike, latent_dim: int, num_layers: int) -> None:
    """Whether `tokens` has the shape ``[B, C, D, M]`` of M <= L layers, and an integer type.

    Raises:
        ValueError: it has not.
    """
    shape = np.shape(tokens)
    if len(shape) != 4 or shape[2] != latent_dim or shape[3] > num_layers:
        flat = "; sequences for language models become tokens by `from_flat`" if len(shape) < 4 else ""
        raise ValueError(
            f"tokens has shape {shape}; expected [B, C, {latent_dim}, M]: M layers, up to {num_layers}, of "
            f"{latent_dim} latents a step{flat}"
        )
    check_integers("tokens", tokens)


def check_integers(name: str, values: ArrayLike) -> None:
    """Whether `values`, called `name`, are of an integer type.

    Raises:
        ValueError: they are not.
    """
    if not np.issubdtype(dtype := _dtype(values), np.integer):
        raise ValueError(f"{name} is {dtype}; {name} must be whole numbers. Convert them, for example to int32")


def check_token_ids(tokens: ArrayLike, num_levels: int) -> None:
    """Whether all tokens are ids ``0 .. V - 1``.

    Raises:
        ValueError: one is not, or is no integer.
    """
    check_integers("tokens", tokens)
    given = known(tokens)
    if given is not None and given.size and not 0 <= given.min() <= given.max() < num_levels:
        place = _first((given < 0) | (given >= num_levels))
        raise ValueError(
            f"tokens holds values from {given.min()} to {given.max()}, tokens{list(place)} is {given[place]}; they "
            f"must be 0 .. num_levels - 1 = {num_levels - 1}"
        )


def _dtype(values: ArrayLike) -> np.dtype[Any]:
    return np.dtype(values.dtype) if hasattr(values, "dtype") else np.asarray(values).dtype


def _first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    """Index of the first element that is True."""
    return tuple(int(index) for index in np.argwhere(wrong)[0])
