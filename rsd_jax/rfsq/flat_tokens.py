"""Tokens as one sequence of integers, for language models.

A language model reads a chunk as a string over one vocabulary. Each layer gets a range of its own, so that a token
says which layer it belongs to, and layers follow each other coarse to fine: any whole number of layers is a prefix
that decodes::

    first_id + layer * V + token,   ordered by layer, chunk step, latent
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsd_jax.rfsq.given_values import check_integers, check_token_ids


def to_flat(tokens: ArrayLike, num_levels: int, first_id: int = 0) -> NDArray[np.int32]:
    """Sequences ``int32 [B, L * C * D]`` of `tokens` ``[B, C, D, L]``; ids ``first_id .. first_id + L * V - 1``.

    Raises:
        ValueError: `tokens` is not ``[B, C, D, L]`` of integers, or holds a token outside ``0 .. num_levels - 1``; or
            an id would be below 0 or no int32.
    """
    given = np.asarray(tokens)
    if given.ndim != 4:
        raise ValueError(f"tokens has shape {given.shape}; expected [B, C, D, L]")
    check_token_ids(given, num_levels)
    batch, *_, layers = given.shape
    _check_first_id(first_id, layers * num_levels)
    ids = first_id + num_levels * np.arange(layers) + given.astype(np.int64)
    return np.moveaxis(ids, -1, 1).reshape(batch, math.prod(given.shape[1:])).astype(np.int32)


def from_flat(
    sequences: ArrayLike, chunk_length: int, latent_dim: int, num_levels: int, first_id: int = 0
) -> NDArray[np.int32]:
    """Inverse of `to_flat`: tokens ``[B, C, D, M]`` of sequences that hold M whole layers.

    Raises:
        ValueError: a sequence does not hold whole layers, or an id is no integer, or not of the layer whose place it
            is at; the message names the place.
    """
    given = np.asarray(sequences)
    check_integers("sequences", given)
    a_layer = chunk_length * latent_dim
    if given.ndim != 2 or given.shape[1] % a_layer:
        raise ValueError(
            f"sequences has shape {given.shape}; expected [B, M * {a_layer}]: whole layers of chunk_length x "
            f"latent_dim = {chunk_length} x {latent_dim} ids each"
        )
    layers = given.shape[1] // a_layer
    _check_first_id(first_id, layers * num_levels)
    tokens = given.astype(np.int64).reshape(len(given), layers, chunk_length, latent_dim) - first_id
    tokens = tokens - num_levels * np.arange(layers)[:, None, None]
    if (wrong := (tokens < 0) | (tokens >= num_levels)).any():
        row, layer, *_ = np.argwhere(wrong)[0]
        place = int(np.flatnonzero(wrong.reshape(len(given), -1)[row])[0])
        low = first_id + int(layer) * num_levels
        raise ValueError(
            f"sequences[{row}, {place}] is {given[row, place]}; at this place stand ids of layer {layer}: "
            f"{low} .. {low + num_levels - 1}"
        )
    return np.moveaxis(tokens, 1, -1).astype(np.int32)


def _check_first_id(first_id: int, count: int) -> None:
    highest = int(np.iinfo(np.int32).max)
    if not isinstance(first_id, int | np.integer) or not 0 <= first_id <= highest + 1 - count:
        raise ValueError(f"first_id is {first_id}; it must be a whole number, and its {count} ids in 0 .. {highest}")
