"""Estimates the latents of an action chunk from the backbone's features."""

import jax.numpy as jnp
from flax import linen as nn

from rsd_jax.array_types import Features, Latents
from rsd_jax.partitioned_layers import Dense, Mlp


class LatentEstimator(nn.Module):
    """An MLP with residual blocks over each chunk step's features, and latents bounded by tanh.

    Without normalization layers: features are normalised by the backbone, and what is asked for is a smooth function
    of them to within a fine quantization step, which a rescaling of each sample would only obscure.

    Attributes:
        latent_dim: D.
        width: of the hidden layers.
        depth: number of residual blocks.
    """

    latent_dim: int
    width: int
    depth: int

    @nn.compact
    def __call__(self, features: Features) -> Latents:
        """Returns the estimate ``[B, C, D]``."""
        hidden = nn.gelu(Dense(self.width, ("embed", "mlp"), name="hidden")(features))
        for block in range(self.depth):
            hidden = hidden + Mlp(self.width, self.width, axes=("mlp", "mlp"), name=f"block_{block}")(hidden)
        return jnp.tanh(Dense(self.latent_dim, ("mlp", None), name="latents")(hidden))
