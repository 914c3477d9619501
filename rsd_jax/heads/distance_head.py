"""How far a draft policy's chunk will turn out to lie from the main policy's, from what the draft policy made."""

from dataclasses import dataclass

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.array_types import Actions, Features
from rsd_jax.partitioned_layers import Dense


@dataclass(frozen=True)
class DistanceConfig:
    """Size of the head.

    Attributes:
        width: hidden features of a step.
    """

    width: int = 64


class DistanceHead(nn.Module):
    """Reads each step's features and drafted action, and judges the chunk by its average and its worst step.

    The actions are no news to the features. But where they are large, or turn round, a draft is off more easily, and
    that need not be learned from a few held-out episodes.

    What it gives is a logarithm: distances spread over orders of magnitude, and none is below zero.
    """

    config: DistanceConfig

    @nn.compact
    def __call__(self, features: Features, drafted: Actions) -> Float[Array, "B"]:
        """Natural logarithm of the expected distance; all in half-ranges.

        Args:
            features: of the draft policy.
            drafted: its chunks.
        """
        width = self.config.width
        turns = jnp.diff(drafted, axis=1, prepend=drafted[:, :1])
        seen = jnp.concatenate([features, drafted, turns], axis=-1)
        steps = nn.gelu(Dense(width, ("embed", "mlp"), name="steps")(seen))
        together = jnp.concatenate([steps.mean(axis=1), steps.max(axis=1)], axis=-1)
        hidden = nn.gelu(Dense(width, (None, "mlp"), name="hidden")(together))
        return Dense(1, ("mlp", None), name="log_distance")(hidden)[:, 0]
