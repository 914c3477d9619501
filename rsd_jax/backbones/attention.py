"""Attention over a few hundred tokens, by the fastest kernel that the device has."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def attend(
    query: Float[Array, "B N H E"], key: Float[Array, "B M H E"], value: Float[Array, "B M H E"], **unused: Any
) -> Float[Array, "B N H E"]:
    """Scaled dot-product attention with a float32 softmax, for `flax.linen.MultiHeadDotProductAttention`.

    NVIDIA's fused kernel takes bfloat16 only; everything else is left to XLA. `unused` are flax's settings of masks
    and dropout, of which there are none.
    """
    fused = query.dtype == jnp.bfloat16 and jax.default_backend() == "gpu"
    return jax.nn.dot_product_attention(query, key, value, implementation="cudnn" if fused else "xla")
