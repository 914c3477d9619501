"""Convolutions of layers: a library's, or, of a few rows on a GPU, products of matrices.

Calls of cuDNN stand between the kernels around them: XLA launches everything else of a program as CUDA graphs, and at
batch 1 a convolution that takes 6 microseconds costs 16 more until the next kernel runs. As products of patches with
the kernel's matrix they are part of the graph.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LARGEST_PRODUCT_BATCH = 2
"""Rows up to which a GPU multiplies patches: more rows are worth a library call, and patches are large."""


def convolve(
    inputs: Float[Array, "B *places I"],
    kernel: Float[Array, "*window I O"],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    **settings: Any,
) -> Float[Array, "B *results O"]:
    """`jax.lax.conv_general_dilated`, for `flax.linen.Conv`, or the same up to rounding by the faster way.

    Args:
        inputs: maps, channels last. kernel: of the same number of channels.
        window_strides, padding, settings: of `jax.lax.conv_general_dilated`; without dilation or groups.
    """
    if len(inputs) <= LARGEST_PRODUCT_BATCH and jax.default_backend() == "gpu":
        if isinstance(padding, str):
            padding = jax.lax.padtype_to_pads(inputs.shape[1:-1], kernel.shape[:-2], window_strides, padding)
        return convolve_by_product(inputs, kernel, window_strides, padding)
    return jax.lax.conv_general_dilated(inputs, kernel, window_strides, padding, **settings)


def convolve_by_product(
    inputs: Float[Array, "B *places I"],
    kernel: Float[Array, "*window I O"],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> Float[Array, "B *results O"]:
    """The patches that a window sees, times the kernel as a matrix; channels last, without dilation or groups.

    Args:
        inputs: maps. kernel: of the same number of channels.
        strides: of the window along each axis.
        padding: zeros before and behind each axis.
    """
    window = kernel.shape[:-2]
    padded = jnp.pad(inputs, [(0, 0), *padding, (0, 0)])
    results = [
        (length - size) // stride + 1 for length, size, stride in zip(padded.shape[1:-1], window, strides, strict=True)
    ]
    patches = []
    for first in np.ndindex(*window):
        seen = [
            slice(start, start + 1 + stride * (count - 1), stride)
            for start, stride, count in zip(first, strides, results, strict=True)
        ]
        patches.append(padded[(slice(None), *seen)])
    return jnp.concatenate(patches, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])
