"""Low-rank changes of linear layers: drawn, added to what a layer gives, and merged into its weights.

Hu et al. 2021, "LoRA" (arXiv 2106.09685), equation 3: ``h = W x + (alpha / r) B A x``. What stands side by side in one
kernel of ours (queries, keys and values; the two halves of an MLP) has an adapter for each, as in published adapters.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float

from rsd_jax.array_types import PyTree

LAYERS = ("qkv", "out", "gate_up", "down", "up", "first", "second", "third")
"""Linear layers by the last name of their path: of attention, of MLPs, and of the projector behind the towers."""

PARTS = ("language_model", "dinov2", "siglip", "projector")
"""Networks that have such layers."""

DTYPES = ("float32", "bfloat16")

LayerPath = tuple[str, ...]
Adapter = dict[str, jax.Array]
"""``lora_a`` and ``lora_b`` of one layer."""

_INPUT_AXES = {"out": 2}
"""Of a layer's kernel, how many axes are of what goes in, where it is not one."""

_STACKED_AXES = {"qkv": 1, "gate_up": 1}
"""Behind them, how many are of what stands side by side, where it is not none."""

_A, _B = "lora_a", "lora_b"


@dataclass(frozen=True)
class LowRankConfig:
    """Which layers are changed, and by how much at most.

    Attributes:
        rank: r. alpha: what is added is scaled by alpha / r.
        layers: some of `LAYERS`. parts: some of `PARTS`.
        dtype: of the adapters, float32 or bfloat16; they are cast to that of the activations.
    """

    rank: int = 32
    alpha: float = 16.0
    layers: tuple[str, ...] = LAYERS
    parts: tuple[str, ...] = PARTS
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Checks numbers and names."""
        if self.rank < 1:
            raise ValueError(f"rank is {self.rank}; it must be at least 1")
        if not self.alpha > 0:
            raise ValueError(f"alpha is {self.alpha}; it must be positive: nothing would be learnt")
        for name, known in (("layers", LAYERS), ("parts", PARTS)):
            given = getattr(self, name)
            if not given or not set(given) <= set(known):
                raise ValueError(f"{name} is {given}; it must hold some of {', '.join(known)}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}; it must be one of {', '.join(DTYPES)}")

    @property
    def scaling(self) -> float:
        """What is added is this times B A x: alpha / r."""
        return self.alpha / self.rank


class _Axes(NamedTuple):
    """What belongs to the axes of a kernel: of what goes in, what stands side by side, and what comes out."""

    inputs: tuple[Any, ...]
    stacked: tuple[Any, ...]
    outputs: tuple[Any, ...]


def draw_adapters(config: LowRankConfig, base: PyTree, key: jax.Array) -> PyTree:
    """Adapters beside the layers of `base` that `config` names, with the logical axes of their kernels.

    A is normal, its elements of a size that keeps that of x, and B is zero: nothing is changed yet.

    Args:
        config: which and how large.
        base: parameters that carry logical axis names (`flax.linen.LogicallyPartitioned`), or shapes of them.
        key: consumed.

    Returns:
        Nested dicts like `base`, with ``lora_a`` ``[inputs, stacked, r]`` and ``lora_b`` ``[stacked, r, outputs]`` in
        the place of a layer's kernel.

    Raises:
        ValueError: `base` has none of the layers.
    """
    drawn: dict[tuple[str, ...], Any] = {}
    for path, kernel in _kernels(config, base).items():
        shape, names = _split(path, kernel.value.shape), _split(path, kernel.names)
        a_shape = (*shape.inputs, *shape.stacked, config.rank)
        a = jax.random.normal(jax.random.fold_in(key, len(drawn)), a_shape, config.dtype)
        a = a / math.sqrt(math.prod(shape.inputs))
        b = jnp.zeros((*shape.stacked, config.rank, *shape.outputs), config.dtype)
        drawn[*path, _A] = nn.LogicallyPartitioned(a, (*names.inputs, *names.stacked, "rank"))
        drawn[*path, _B] = nn.LogicallyPartitioned(b, (*names.stacked, "rank", *names.outputs))
    return unflatten_dict(drawn)


@contextmanager
def adapted(config: LowRankConfig, adapters: PyTree) -> Iterator[None]:
    """A block in which layers of any network add what their `adapters`, plain arrays by path, make of their inputs."""
    by_path = by_layer(adapters)

    def add(layer: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        given = layer(*arguments, **keywords)
        path = context.module.path
        if context.method_name != "__call__" or path not in by_path:
            return given
        return given + config.scaling * _change(path, by_path[path], arguments[0], given.shape)

    with nn.intercept_methods(add):
        yield


def _change(
    path: LayerPath, adapter: Adapter, inputs: Float[Array, "B N *inputs"], shape: tuple[int, ...]
) -> Float[Array, "B N *outputs"]:
    """B A x, in the type of x."""
    a, b = (matrix.astype(inputs.dtype) for matrix in _as_matrices(path, adapter))
    flat = inputs.reshape(*inputs.shape[:2], -1)
    return jnp.einsum("bnkr,kro->bnko", jnp.einsum("bni,ikr->bnkr", flat, a), b).reshape(shape)


def merge(config: LowRankConfig, adapters: PyTree, base: PyTree) -> PyTree:
    """`base`, nested dicts of plain arrays, whose kernels hold what their adapters add (`merged_kernel`)."""
    changed = flatten_dict(base)
    for path, adapter in by_layer(adapters).items():
        changed[*path, "kernel"] = merged_kernel(config, path, adapter, changed[*path, "kernel"])
    return unflatten_dict(changed)


def merged_kernel(config: LowRankConfig, path: LayerPath, adapter: Adapter, kernel: jax.Array) -> jax.Array:
    """``W + (alpha / r) B A``, computed in float32 and rounded once to the type of `kernel`."""
    a, b = (matrix.astype(jnp.float32) for matrix in _as_matrices(path, adapter))
    # In full precision: on an accelerator the default would round what is added to 8 bits.
    change = jnp.einsum("ikr,kro->iko", a, b, precision=jax.lax.Precision.HIGHEST).reshape(kernel.shape)
    return (kernel.astype(jnp.float32) + config.scaling * change).astype(kernel.dtype)


def by_layer(adapters: PyTree) -> dict[LayerPath, Adapter]:
    """The adapter of every layer by the layer's path."""
    layers: dict[LayerPath, Adapter] = {}
    for path, array in flatten_dict(adapters).items():
        layers.setdefault(path[:-1], {})[path[-1]] = array
    return layers


def _as_matrices(path: LayerPath, adapter: Adapter) -> tuple[Float[Array, "I K R"], Float[Array, "K R O"]]:
    """Both matrices of an adapter with one axis each for inputs, for what stands side by side, and for outputs."""
    a, b = adapter[_A], adapter[_B]
    stacked = math.prod(b.shape[: _STACKED_AXES.get(path[-1], 0)])
    rank = a.shape[-1]
    return a.reshape(-1, stacked, rank), b.reshape(stacked, rank, -1)


def _kernels(config: LowRankConfig, base: PyTree) -> dict[LayerPath, Any]:
    """The kernels that are to be changed, by the path of their layer."""
    found = {
        path[:-1]: leaf
        for path, leaf in flatten_dict(base).items()
        if path[-1] == "kernel" and path[0] in config.parts and path[-2] in config.layers
    }
    if not found:
        raise ValueError(f"layers={config.layers} are in none of parts={config.parts}: nothing would be learnt")
    return found


def _split(path: LayerPath, axes: tuple[Any, ...]) -> _Axes:
    """What belongs to the axes of a layer's kernel, divided."""
    inputs = _INPUT_AXES.get(path[-1], 1)
    stacked = inputs + _STACKED_AXES.get(path[-1], 0)
    return _Axes(axes[:inputs], axes[inputs:stacked], axes[stacked:])
