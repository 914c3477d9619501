"""What the columns of a chunk tell each other: a summary of all their coarser digits, layer by layer."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.partitioned_layers import Dense


class ModeLock(nn.Module):
    """One summary a layer, read off the embedded prefixes of all columns together.

    Where demonstrations do the same thing in several ways, the coarse digits say which way it is. Columns that see
    their own alone can each take another one; the original calls it mode locking when they do not.

    Attributes:
        features: width H of the summary.
    """

    features: int

    @nn.compact
    def __call__(self, prefix: Float[Array, "B C D N E"]) -> Float[Array, "B N H"]:
        """The summary at each of N layers, from the columns' embedded digits that are coarser than it."""
        by_layer = jnp.moveaxis(prefix, 3, 1)
        everything = by_layer.reshape(*by_layer.shape[:2], -1)
        return nn.gelu(Dense(self.features, (None, None), name="summary")(everything))
