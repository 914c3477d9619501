"""One layer of residual quantization: a scalar to a digit, and what the digit leaves over.

With offset ``m`` and step ``s`` of the layer, a scalar ``v`` gets the digit

    i = clip(floor((v - m) / s + 1/2), -R, R),   R = (V - 1) / 2

(half-up, so that jit, eager and every device agree on ties), decodes to ``m + s i`` and leaves ``v - (m + s i)``.

Steps are held with 21 mantissa bits (`exactly_multipliable`): a product of a step and a digit is then exact in
float32, and whether a compiler contracts multiply and add into one instruction cannot change a bit of what tokens
decode to.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_DROPPED_BITS = 3  # digits have at most 3 bits (V <= 15)


def exactly_multipliable(steps: Float[Array, "..."]) -> Float[Array, "..."]:
    """Rounds positive float32 `steps` towards zero to 21 mantissa bits, so that ``step * digit`` is exact."""
    bits = jax.lax.bitcast_convert_type(steps.astype(jnp.float32), jnp.uint32)
    return jax.lax.bitcast_convert_type(bits >> _DROPPED_BITS << _DROPPED_BITS, jnp.float32)


def nearest_digit(
    value: Float[Array, "..."], offset: Float[Array, "..."], step: Float[Array, "..."], reach: int
) -> Int[Array, "..."]:
    """Digit in -reach..reach whose level ``offset + step * digit`` is nearest to `value`; ties go up."""
    scaled = jnp.floor((value - offset) / step + 0.5)
    return jnp.clip(scaled, -reach, reach).astype(jnp.int32)


def level(digit: Int[Array, "..."], offset: Float[Array, "..."], step: Float[Array, "..."]) -> Float[Array, "..."]:
    """The value that `digit` stands for."""
    return offset + step * digit.astype(jnp.float32)
