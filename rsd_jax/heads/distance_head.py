"""How far a draft policy's chunk will turn out to lie from the main policy's, from the draft's own features."""

from dataclasses import dataclass

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.array_types import Features
from rsd_jax.partitioned_layers import Dense


@dataclass(frozen=True)
class DistanceConfig:
    """Size of the head.

    Attributes:
        width: hidden features of a step.
    """

    width: int = 64


class DistanceHead(nn.Module):
    """Reads each step's features, and judges the chunk by its average and its worst step.

    What it gives is a logarithm: distances spread over orders of magnitude, and none is below zero.
    """

    config: DistanceConfig

    @nn.compact
    def __call__(self, features: Features) -> Float[Array, "B"]:
        """Natural logarithm of the expected distance in half-ranges."""
        width = self.config.width
        steps = nn.gelu(Dense(width, ("embed", "mlp"), name="steps")(features))
        together = jnp.concatenate([steps.mean(axis=1), steps.max(axis=1)], axis=-1)
        hidden = nn.gelu(Dense(width, (None, "mlp"), name="hidden")(together))
        return Dense(1, ("mlp", None), name="log_distance")(hidden)[:, 0]
