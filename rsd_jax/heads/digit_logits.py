"""From an estimate of a latent to logits over its digits.

Softmax heads that name each digit separately hardly beat the majority class on fine layers: they would have to learn a
function that oscillates once per cell of the code. A head that estimates the latent and reads each digit's logits off
the distance to the levels has the code built in, and only has to learn how sure it is.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from rsd_jax.array_types import Logits
from rsd_jax.heads.layer_choice import LayerChoice
from rsd_jax.rfsq import QuantizerTable
from rsd_jax.rfsq.scalar_quantizer import BINARY, reach_of

_IMPOSSIBLE = -1e9
"""Logit of a level that a digit does not have."""

_INITIAL_SPREAD = 0.05
"""Error of the estimate that a head assumes before it has learned anything, in latent units."""


class DigitLogits(nn.Module):
    """Log density of an estimate around every level, plus a prior over the levels.

    One spread per latent, in latent units, serves all layers: where a layer's step is much finer than the spread the
    density is flat and the prior decides. A factor per digit corrects that where it is not quite so.

    Attributes:
        latent_dim: D. num_layers: L. num_levels: V.
    """

    latent_dim: int
    num_layers: int
    num_levels: int

    @nn.compact
    def __call__(self, coordinates: Float[Array, "B C D N"], layers: LayerChoice, table: QuantizerTable) -> Logits:
        """Logits ``[B, C, D, N, V]``.

        Args:
            coordinates: where the estimate lies in the grid of each layer, in steps (`rfsq.grid_coordinates`).
            layers: which layers these are.
            table: the code's constants.
        """
        zeros, digits = nn.initializers.zeros_init(), (self.latent_dim, self.num_layers)
        spread_init = nn.initializers.constant(jnp.log(_INITIAL_SPREAD))
        log_spread = self.param("log_spread", nn.with_logical_partitioning(spread_init, (None,)), digits[:1])
        factor = self.param("log_factor", nn.with_logical_partitioning(zeros, (None, None)), digits)
        prior_shape = (*digits, self.num_levels)
        prior = self.param("prior", nn.with_logical_partitioning(zeros, (None, None, None)), prior_shape)

        log_sharpness = 2 * (jnp.log(table.step.T) - log_spread[:, None]) + factor
        sharpness = jnp.exp(layers.of_digits(log_sharpness))[..., None]
        outermost = _outermost(layers.of_digits(table.mode.T))
        digits_of_tokens = jnp.arange(-table.reach, table.reach + 1, dtype=jnp.float32)
        distance = jnp.clip(coordinates, -outermost, outermost)[..., None] - digits_of_tokens
        density = layers.of_digits(prior) - sharpness * distance**2 / 2
        exists = layers.of_digits(table.levels_exist.swapaxes(0, 1).astype(jnp.float32)) > 0
        return jnp.where(exists, density, _IMPOSSIBLE)


def _outermost(mode: Int[Array, "..."]) -> Float[Array, "..."]:
    """Where the outermost cell ends, in steps: all coordinates beyond lie in the same cell."""
    return jnp.where(mode == BINARY, 2.0, reach_of(mode) + 0.5)
