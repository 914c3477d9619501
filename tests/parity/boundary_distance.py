"""How far the values that a quantizer rounded were from where they would have been rounded to another level."""

import numpy as np
from numpy.typing import NDArray


def distance_to_boundaries(
    latents: NDArray, tokens: NDArray, mean: NDArray, std: NDArray, num_levels: int = 7
) -> NDArray[np.float64]:
    """Smallest distance so far of each normalised residual from a boundary, in steps, ``[B, C, D, L]``, in float64.

    `mean` and `std` are ``[B, C, L]``; 0 and 1 for a quantizer that doesn't normalise. Running minimum over layers:
    another token in one layer changes all that follow. And over the latents of a step, whose statistics they share.
    """
    reach = (num_levels - 1) / 2
    residual, distances = latents.astype(np.float64), []
    for layer in range(tokens.shape[-1]):
        shift, scale = mean[..., None, layer].astype(np.float64), std[..., None, layer].astype(np.float64)
        in_steps = np.clip((residual - shift) / scale * reach, -reach, reach)
        digits = tokens[..., layer] - reach
        distances.append(0.5 - np.abs(in_steps - digits))
        residual = residual - (digits / reach * scale + shift)
    so_far = np.minimum.accumulate(np.stack(distances, axis=-1), axis=-1)
    return np.broadcast_to(so_far.min(axis=-2, keepdims=True), so_far.shape)
