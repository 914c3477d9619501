"""State of a training kept in bfloat16: half the memory, and rounded so that small changes are not lost."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, UInt32

from rsd_jax.array_types import PyTree

STATE_DTYPES = ("float32", "bfloat16")


class KeptMoments(NamedTuple):
    """State of Adam as it is kept between steps: `count` of the steps, and both moments."""

    adam: Any


def scale_by_adam_kept_in(dtype: str) -> optax.GradientTransformation:
    """`optax.scale_by_adam`, computed in float32 whatever the parameters' type, whose moments are kept in `dtype`.

    A moment changes by a thousandth of itself a step, and bfloat16 has 256 values between two powers of two: rounded
    to the nearest one, the second moment would stay where it is. So it is `stochastically_rounded`, by keys that
    depend on the number of the step alone.
    """
    adam = optax.scale_by_adam()

    def init(params: PyTree) -> KeptMoments:
        return KeptMoments(jax.tree.map(lambda leaf: _cast(leaf, dtype), adam.init(params)))

    def update(gradients: PyTree, state: KeptMoments, params: PyTree = None) -> tuple[PyTree, KeptMoments]:
        wide = jax.tree.map(lambda leaf: _cast(leaf, "float32"), state.adam)
        updates, new = adam.update(gradients, wide, params)
        if dtype == "float32":
            return updates, KeptMoments(new)
        return updates, KeptMoments(round_like(jax.random.fold_in(jax.random.key(0), new.count), new, state.adam))

    return optax.GradientTransformation(init, update)


def round_like(key: jax.Array, values: PyTree, like: PyTree) -> PyTree:
    """`values` in the types of `like`: float32 becomes bfloat16 `stochastically_rounded`; consumes `key`."""
    leaves, structure = jax.tree.flatten(values)
    salts = jax.random.bits(key, (len(leaves),), jnp.uint32)
    kept = [
        stochastically_rounded(salt, value)
        if value.dtype == jnp.float32 and of.dtype == jnp.bfloat16
        else value.astype(of.dtype)
        for salt, value, of in zip(salts, leaves, jax.tree.leaves(like), strict=True)
    ]
    return jax.tree.unflatten(structure, kept)


def stochastically_rounded(salt: UInt32[Array, ""], values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """float32 as bfloat16: up or down by a chance of which the mean is the value itself.

    The chance is a hash of `salt`, a random number, and of each value's place: a few operations, where a generator of
    random numbers would take longer than the whole update.
    """
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    # bfloat16 is the upper half of float32: what is added carries into it as often as the lower half is large.
    raised = bits + (_hashed_places(salt, values.shape) >> 16)
    upper = jax.lax.bitcast_convert_type(raised & jnp.uint32(0xFFFF0000), jnp.float32)
    return upper.astype(jnp.bfloat16)


def _hashed_places(salt: UInt32[Array, ""], shape: tuple[int, ...]) -> UInt32[Array, "*shape"]:
    """The finalizer of MurmurHash3, of places counted through all axes."""
    hashed = jnp.full(shape, salt)
    for axis in range(len(shape)):
        stride = math.prod(shape[axis + 1 :]) % 2**32
        hashed += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride)
    hashed = (hashed ^ (hashed >> 16)) * jnp.uint32(0x85EBCA6B)
    hashed = (hashed ^ (hashed >> 13)) * jnp.uint32(0xC2B2AE35)
    return hashed ^ (hashed >> 16)


def _cast(leaf: jax.Array, dtype: str) -> jax.Array:
    return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
