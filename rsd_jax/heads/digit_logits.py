"""From an estimate of a latent to logits over its digits.

Softmax heads that name each digit separately hardly beat the majority class on fine layers: they would have to learn a
function that oscillates once per cell of the code. A head that estimates the latent and reads each digit's logits off
the distance to the levels has the code built in, and only has to learn how sure it is.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from rsd_jax.array_types import Logits

_OUTER_CELL = 0.5
"""How far beyond the outermost level a coordinate still counts, in steps: all beyond lies in the same cell."""


def distance_logits(
    coordinates: Float[Array, "B C D N"], log_sharpness: Float[Array, "... N"], num_levels: int
) -> Logits:
    """Logits ``-exp(log_sharpness) (coordinate - level)^2`` of the levels -(V-1)/2 .. (V-1)/2.

    Args:
        coordinates: where the estimate lies in the grid of each layer, in steps (see `rfsq.grid_coordinates`).
        log_sharpness: log of the inverse spread of the estimate in steps, broadcastable to `coordinates`.
        num_levels: V.
    """
    reach = (num_levels - 1) // 2
    levels = jnp.arange(-reach, reach + 1, dtype=jnp.float32)
    bounded = jnp.clip(coordinates, -reach - _OUTER_CELL, reach + _OUTER_CELL)
    return -jnp.exp(log_sharpness)[..., None] * (bounded[..., None] - levels) ** 2


def at_layers(values: Float[Array, "*prefix L"], layers: Float[Array, "..."]) -> Float[Array, "..."]:
    """Entries of `values` ``[.., L]`` at `layers` ``[B, C, D, N]``, for every column; layers >= L read the last."""
    last = values.shape[-1] - 1
    broadcast = jnp.broadcast_to(values, (*layers.shape[:-1], last + 1))
    return jnp.take_along_axis(broadcast, jnp.minimum(layers, last), axis=-1)
