"""Estimates the latents of an action chunk from the backbone's features."""

import jax.numpy as jnp
from flax import linen as nn

from rsd_jax.array_types import Features, Latents
from rsd_jax.partitioned_layers import Dense, LayerNorm, Mlp


class LatentEstimator(nn.Module):
    """Residual MLP blocks over each chunk step's features, then a projection to latents bounded by tanh.

    Attributes:
        latent_dim: D.
        width: of the residual stream.
        depth: number of blocks.
    """

    latent_dim: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, features: Features) -> Latents:
        """Returns the estimate ``[B, C, D]``."""
        hidden = Dense(self.width, ("embed", "embed"), name="projection")(LayerNorm(name="norm_in")(features))
        for block in range(self.depth):
            update = Mlp(2 * self.width, self.width, name=f"mlp_{block}")
            hidden = hidden + update(LayerNorm(name=f"norm_{block}")(hidden))
        latents = Dense(self.latent_dim, ("embed", None), name="latents")(LayerNorm(name="norm_out")(hidden))
        return jnp.tanh(latents)
