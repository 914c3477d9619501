"""Attention over a few hundred tokens, by the fastest kernel that the device has."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_AMPERE = 8
"""Compute capability from which on NVIDIA's library has the fused kernel."""


def attend(
    query: Float[Array, "B N H E"], key: Float[Array, "B M H E"], value: Float[Array, "B M H E"], **unused: Any
) -> Float[Array, "B N H E"]:
    """Scaled dot-product attention with a float32 softmax, for `flax.linen.MultiHeadDotProductAttention`.

    NVIDIA's fused kernel serves bfloat16; everything else is left to XLA. `unused` are flax's settings of masks
    and dropout, of which there are none.
    """
    fused = query.dtype == jnp.bfloat16 and has_fused_kernel(jax.devices()[0])
    return jax.nn.dot_product_attention(query, key, value, implementation="cudnn" if fused else "xla")


def has_fused_kernel(device: jax.Device) -> bool:
    """Whether cuDNN's attention runs on `device`."""
    if device.platform != "gpu" or "NVIDIA" not in device.device_kind:
        return False
    return int(str(device.compute_capability).partition(".")[0]) >= _AMPERE
