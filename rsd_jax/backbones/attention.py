"""Attention over a few hundred tokens, by the fastest kernel that the device has."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_AMPERE = 8
"""Compute capability from which on NVIDIA's library has the fused kernel."""

_FEATURES = 8
"""Of which a head must have a multiple for that kernel."""


def attend(
    query: Float[Array, "B N H E"], key: Float[Array, "B M H E"], value: Float[Array, "B M H E"], **unused: Any
) -> Float[Array, "B N H E"]:
    """Scaled dot-product attention with a float32 softmax, for `flax.linen.MultiHeadDotProductAttention`.

    NVIDIA's fused kernel serves bfloat16; everything else is left to XLA. `unused` are flax's settings of masks
    and dropout, of which there are none.
    """
    return jax.nn.dot_product_attention(query, key, value, implementation=fastest_kernel(query))


def attend_to_first(
    query: Float[Array, "B N H E"],
    key: Float[Array, "B M H E"],
    value: Float[Array, "B M H E"],
    lengths: Int[Array, "B"] | None = None,
    is_causal: bool = False,
) -> Float[Array, "B N H E"]:
    """`attend` to a part of the keys.

    Args:
        query, key, value: as those of `attend`.
        lengths: of each row, how many of the first keys there are; None for all M.
        is_causal: whether the query at place n sees no key behind place n; there must be as many queries as keys.
    """
    kernel = fastest_kernel(query)
    return jax.nn.dot_product_attention(
        query, key, value, is_causal=is_causal, key_value_seq_lengths=lengths, implementation=kernel
    )


def attend_where(
    query: Float[Array, "B N H E"],
    key: Float[Array, "B M H E"],
    value: Float[Array, "B M H E"],
    is_seen: Bool[Array, "B N M"],
) -> Float[Array, "B N H E"]:
    """`attend` of each query to the keys that it sees, of which there must be one at least."""
    kernel = fastest_kernel(query)
    return jax.nn.dot_product_attention(query, key, value, mask=is_seen[:, None], implementation=kernel)


def fastest_kernel(query: jax.Array) -> Literal["cudnn", "xla"]:
    """The implementation of `jax.nn.dot_product_attention` for a query of this type on the device at hand."""
    fits = query.dtype == jnp.bfloat16 and query.shape[-1] % _FEATURES == 0
    return "cudnn" if fits and has_fused_kernel(jax.devices()[0]) else "xla"


def has_fused_kernel(device: jax.Device) -> bool:
    """Whether cuDNN's attention runs on `device`."""
    if device.platform != "gpu" or "NVIDIA" not in device.device_kind:
        return False
    return int(str(device.compute_capability).partition(".")[0]) >= _AMPERE
