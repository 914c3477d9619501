"""The main head's learned part: an MLP over what a column knows, one answer for each layer that is scored."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.partitioned_layers import LECUN_NORMAL


class Correction(nn.Module):
    """An MLP over the concatenation of several parts, of which each is multiplied by its own rows of the first layer.

    Parts that do not depend on the layer, or on any digit, are so multiplied once and not for every layer and pass,
    and no concatenation is written to memory.

    Attributes:
        parts: numbers of each part. hidden_features: between the layers. features: of the answer.
    """

    parts: tuple[int, ...]
    hidden_features: int
    features: int

    def setup(self) -> None:
        """Creates the two layers, named as those of `rsd_jax.partitioned_layers.Mlp`."""
        self.up = _Weights(sum(self.parts), self.hidden_features)
        self.down = _Weights(self.hidden_features, self.features)

    def rows(self) -> list[Float[Array, "_ H"]]:
        """The first layer's rows for each part."""
        kernel, _ = self.up()
        return jnp.split(kernel, np.cumsum(self.parts)[:-1])

    def __call__(self, products: Sequence[Float[Array, "..."]]) -> Float[Array, "... V"]:
        """The answer, of each part times its `rows`: arrays that broadcast with each other."""
        _, bias = self.up()
        kernel, bias_down = self.down()
        return nn.gelu(sum(products, bias)) @ kernel + bias_down


class _Weights(nn.Module):
    """Kernel and bias of a linear layer."""

    inputs: int
    features: int

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array]:
        kernel_init = nn.with_logical_partitioning(LECUN_NORMAL, (None, None))
        bias_init = nn.with_logical_partitioning(nn.initializers.zeros_init(), (None,))
        kernel = self.param("kernel", kernel_init, (self.inputs, self.features))
        return kernel, self.param("bias", bias_init, (self.features,))
