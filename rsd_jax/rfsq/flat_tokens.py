"""Tokens as one sequence of integers, for language models.

A language model reads a chunk as a string over one vocabulary. Each layer gets a range of its own, so that a token
says which layer it belongs to, and layers follow each other coarse to fine: any whole number of layers is a prefix
that decodes::

    first_id + layer * V + token,   ordered by layer, chunk step, latent
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def to_flat(tokens: ArrayLike, num_levels: int, first_id: int = 0) -> NDArray[np.int32]:
    """Sequences ``int32 [B, L * C * D]`` of `tokens` ``[B, C, D, L]``; ids ``first_id .. first_id + L * V - 1``.

    Raises:
        ValueError: `tokens` is not ``[B, C, D, L]``, or holds a token outside ``0 .. num_levels - 1``.
    """
    given = np.asarray(tokens)
    if given.ndim != 4:
        raise ValueError(f"tokens has shape {given.shape}; expected [B, C, D, L]")
    if given.size and not 0 <= given.min() <= given.max() < num_levels:
        raise ValueError(
            f"tokens holds values from {given.min()} to {given.max()}; they must be 0 .. num_levels - 1 = "
            f"{num_levels - 1}"
        )
    ids = first_id + num_levels * np.arange(given.shape[-1]) + given
    return np.moveaxis(ids, -1, 1).reshape(len(given), -1).astype(np.int32)


def from_flat(
    sequences: ArrayLike, chunk_length: int, latent_dim: int, num_levels: int, first_id: int = 0
) -> NDArray[np.int32]:
    """Inverse of `to_flat`: tokens ``[B, C, D, M]`` of sequences that hold M whole layers.

    Raises:
        ValueError: a sequence does not hold whole layers, or an id is not of the layer whose place it is at; the
            message names the place.
    """
    given = np.asarray(sequences)
    a_layer = chunk_length * latent_dim
    if given.ndim != 2 or given.shape[1] % a_layer:
        raise ValueError(
            f"sequences has shape {given.shape}; expected [B, M * {a_layer}]: whole layers of chunk_length x "
            f"latent_dim = {chunk_length} x {latent_dim} ids each"
        )
    layers = given.shape[1] // a_layer
    tokens = given.reshape(len(given), layers, chunk_length, latent_dim) - first_id
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
