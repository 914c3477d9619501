"""Matrix products in 8 bits: weights rounded once, activations as they come.

A weight's scale is its output's, an activation's its token's, both of the largest magnitude (Dettmers et al. 2022,
"LLM.int8()", arXiv 2208.07339, vector-wise quantization without its outliers; in floating point as Micikevicius et al.
2022, "FP8 Formats for Deep Learning", arXiv 2209.05433). Kernels lie with their inputs last, as matrix units read both
operands of 8 bits: a product that has to turn its kernel first moves as many bytes again as it saves.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.module import InterceptorContext
from jaxtyping import Array, Float, Shaped

from rsd_jax.array_types import PyTree

EIGHT_BITS = ("float8_e4m3fn", "int8")
"""Types of weights and activations; the first has a finer step near zero, the second one of equal size everywhere."""


Path = tuple[str, ...]
"""Of a layer in a network: names, from the outside in."""


class EightBitKernel(NamedTuple):
    """A kernel of I inputs and O outputs, all axes of each flattened: ``scale[:, None] * values`` is its transpose."""

    values: Shaped[Array, "O I"]
    scale: Float[Array, "O"]


def linear_layers(call: Callable[[], Any]) -> dict[Path, int]:
    """Linear layers that a call of a network reaches, by their path, and how many axes of their kernels are inputs.

    Args:
        call: applies the network; its shapes alone are worked out.
    """
    found: dict[Path, int] = {}

    def note(
        next_call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: InterceptorContext
    ) -> Any:
        layer = context.module
        if context.method_name == "__call__" and isinstance(layer, nn.Dense | nn.DenseGeneral):
            found[layer.path] = len(_input_axes(layer))
        return next_call(*args, **kwargs)

    with nn.intercept_methods(note):
        jax.eval_shape(call)
    return found


def in_eight_bits(params: PyTree, layers: Mapping[Path, int], dtype: str = EIGHT_BITS[0]) -> PyTree:
    """Parameters in which the kernels of `layers` are `EightBitKernel`; all others are those given.

    Args:
        params: of a network, nested by name; plain arrays.
        layers: some of `linear_layers`.
        dtype: one of `EIGHT_BITS`.

    Raises:
        ValueError: the type is another.
    """
    if dtype not in EIGHT_BITS:
        raise ValueError(f"dtype is {dtype!r}; it must be one of {', '.join(EIGHT_BITS)}")

    def changed(part: PyTree, path: Path) -> PyTree:
        if not isinstance(part, Mapping):
            return part
        nested = {name: changed(value, (*path, name)) for name, value in part.items()}
        return nested if path not in layers else {**nested, "kernel": _kernel(part["kernel"], layers[path], dtype)}

    return changed(params, ())


def cast_others(params: PyTree, dtype: str) -> PyTree:
    """`params` in the type of activations, but for what is in 8 bits."""
    return jax.tree.map(
        lambda leaf: leaf if isinstance(leaf, EightBitKernel) else leaf.astype(dtype),
        params,
        is_leaf=lambda leaf: isinstance(leaf, EightBitKernel),
    )


def multiply_in_eight_bits(
    next_call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: InterceptorContext
) -> Any:
    """For `flax.linen.intercept_methods`: linear layers whose kernel is an `EightBitKernel` multiply in 8 bits."""
    layer = context.module
    if context.method_name != "__call__" or not isinstance(layer, nn.Dense | nn.DenseGeneral):
        return next_call(*args, **kwargs)
    kernel = layer.get_variable("params", "kernel")
    if not isinstance(kernel, EightBitKernel):
        return next_call(*args, **kwargs)
    inputs = args[0]
    batch = inputs.shape[: inputs.ndim - len(_input_axes(layer))]
    features = (layer.features,) if isinstance(layer.features, int) else tuple(layer.features)
    outputs = _product(inputs.reshape(*batch, -1), kernel).reshape(*batch, *features)
    return outputs + layer.get_variable("params", "bias") if layer.use_bias else outputs


def _input_axes(layer: nn.Dense | nn.DenseGeneral) -> tuple[int, ...]:
    """Axes of its inputs that a layer sums over: the last ones, as all layers of this project have it."""
    axis = (-1,) if isinstance(layer, nn.Dense) else layer.axis
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _product(inputs: Float[Array, "*B I"], kernel: EightBitKernel) -> Float[Array, "*B O"]:
    is_integer = kernel.values.dtype == jnp.int8
    rounded, scale = _round(inputs, kernel.values.dtype)
    sums = jax.lax.dot_general(
        rounded,
        kernel.values,
        (((inputs.ndim - 1,), (1,)), ((), ())),
        preferred_element_type=jnp.int32 if is_integer else inputs.dtype,
    )
    return (sums.astype(jnp.float32) * scale[..., None] * kernel.scale).astype(inputs.dtype)


def _round(
    vectors: Float[Array, "*B I"], dtype: jax.typing.DTypeLike
) -> tuple[Shaped[Array, "*B I"], Float[Array, "*B"]]:
    """Vectors in 8 bits, and what each of them is to be multiplied by."""
    is_integer = jnp.issubdtype(dtype, jnp.integer)
    most = float(jnp.iinfo(dtype).max if is_integer else jnp.finfo(dtype).max)
    wide = vectors.astype(jnp.float32)
    largest = jnp.max(jnp.abs(wide), axis=-1)
    scale = jnp.where(largest > 0, largest / most, 1.0)
    parts = jnp.clip(wide / scale[..., None], -most, most)
    return (jnp.round(parts) if is_integer else parts).astype(dtype), scale


@partial(jax.jit, static_argnames=("inputs", "dtype"))
def _kernel(kernel: Float[Array, "..."], inputs: int, dtype: str) -> EightBitKernel:
    """A layer's kernel, of which the first `inputs` axes are its inputs."""
    return EightBitKernel(*_round(kernel.reshape(prod(kernel.shape[:inputs]), -1).T, dtype))
