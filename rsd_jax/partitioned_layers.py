"""Linen layers whose parameters carry logical axis names.

Every weight is created as a `flax.linen.LogicallyPartitioned` leaf; `rsd_jax.distributed.sharding_rules` maps the
names to mesh axes, and is the list of names that exist. ``None`` is an axis that is never sharded. At `apply` the
parameters are plain arrays.
"""

from collections.abc import Callable, Sequence

import jax
from flax import linen as nn
from flax.linen import initializers
from jaxtyping import Array, Float

from rsd_jax.convolution import convolve

AxisName = str | None

LECUN_NORMAL = initializers.lecun_normal()


def Dense(
    features: int,
    axes: tuple[AxisName, AxisName],
    use_bias: bool = True,
    kernel_init: initializers.Initializer = LECUN_NORMAL,
    name: str | None = None,
) -> nn.Dense:
    """Linear layer with kernel ``[inputs, features]`` named by `axes`; the bias has the name of the second axis."""
    return nn.Dense(
        features,
        use_bias=use_bias,
        kernel_init=nn.with_logical_partitioning(kernel_init, axes),
        bias_init=nn.with_logical_partitioning(initializers.zeros_init(), axes[1:]),
        name=name,
    )


def Conv(
    features: int,
    kernel_size: Sequence[int],
    axes: tuple[AxisName, AxisName],
    strides: int | Sequence[int] = 1,
    use_bias: bool = True,
    name: str | None = None,
) -> nn.Conv:
    """Convolution over channel-last inputs; `axes` names input and output channels, the spatial axes are unsharded."""
    kernel_axes = (None,) * len(kernel_size) + axes
    return nn.Conv(
        features,
        kernel_size,
        strides=strides,
        use_bias=use_bias,
        kernel_init=nn.with_logical_partitioning(LECUN_NORMAL, kernel_axes),
        bias_init=nn.with_logical_partitioning(initializers.zeros_init(), axes[1:]),
        conv_general_dilated=convolve,
        name=name,
    )


def DenseGeneral(
    features: tuple[int, ...],
    axes: tuple[AxisName, ...],
    inputs: int = 1,
    use_bias: bool = True,
    name: str | None = None,
) -> nn.DenseGeneral:
    """Linear layer from the last `inputs` axes to the axes `features`, as one matrix product.

    `axes` names those of the kernel, inputs first; the bias has the names of the others.
    """
    return nn.DenseGeneral(
        features,
        axis=tuple(range(-inputs, 0)),
        use_bias=use_bias,
        kernel_init=nn.with_logical_partitioning(LECUN_NORMAL, axes),
        bias_init=nn.with_logical_partitioning(initializers.zeros_init(), axes[inputs:]),
        name=name,
    )


def LayerNorm(
    axis: AxisName = "embed", epsilon: float = 1e-6, is_exact: bool = False, name: str | None = None
) -> nn.LayerNorm:
    """Layer normalization over the last axis, whose scale and bias have the name `axis`.

    The variance is that of the differences from the mean if it `is_exact`, and otherwise the difference of two sums,
    which is quicker, and coarse where the mean is large against the deviation.
    """
    return nn.LayerNorm(
        epsilon=epsilon,
        use_fast_variance=not is_exact,
        scale_init=nn.with_logical_partitioning(initializers.ones_init(), (axis,)),
        bias_init=nn.with_logical_partitioning(initializers.zeros_init(), (axis,)),
        name=name,
    )


def GroupNorm(features: int, name: str | None = None) -> nn.GroupNorm:
    """Normalization of channel-last maps over groups of eight channels and all places."""
    return nn.GroupNorm(
        num_groups=None,
        group_size=min(8, features),
        scale_init=nn.with_logical_partitioning(initializers.ones_init(), ("channels",)),
        bias_init=nn.with_logical_partitioning(initializers.zeros_init(), ("channels",)),
        name=name,
    )


UNIT_LENGTH_ROWS = initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)


def Embedding(
    num_embeddings: int,
    features: int,
    axes: tuple[AxisName, AxisName],
    init: initializers.Initializer = UNIT_LENGTH_ROWS,
    name: str | None = None,
) -> nn.Embed:
    """Table ``[num_embeddings, features]`` named by `axes`, looked up by integers."""
    return nn.Embed(num_embeddings, features, embedding_init=nn.with_logical_partitioning(init, axes), name=name)


class Mlp(nn.Module):
    """Two linear layers with a nonlinearity between them.

    Attributes:
        hidden_features: width between the layers, logical axis ``mlp``.
        features: width of the result.
        axes: names of the input's and the result's feature axis.
        activation: elementwise nonlinearity.
        last_init: initializer of the last layer's kernel.
    """

    hidden_features: int
    features: int
    axes: tuple[AxisName, AxisName] = ("embed", "embed")
    activation: Callable[[jax.Array], jax.Array] = nn.gelu
    last_init: initializers.Initializer = LECUN_NORMAL

    @nn.compact
    def __call__(self, inputs: Float[Array, "*batch inputs"]) -> Float[Array, "*batch features"]:
        """Maps ``[..., inputs]`` to ``[..., features]``."""
        hidden = self.activation(Dense(self.hidden_features, axes=(self.axes[0], "mlp"), name="up")(inputs))
        return Dense(self.features, axes=("mlp", self.axes[1]), kernel_init=self.last_init, name="down")(hidden)
