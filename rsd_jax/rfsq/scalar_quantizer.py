"""One digit of residual quantization: a scalar to a digit, what the digit stands for, and what it leaves over.

A digit's constants are an offset ``m``, a step ``s``, a mode and whether it folds. The mode is the number of levels:

    odd n       i = clip(floor((v - m) / s + 1/2), -R, R),   R = (n - 1) / 2;   n = 1 never moves
    2 (binary)  i = +1 if v >= m else -1;   s is a quarter of the cell that the digit halves

It decodes to ``m + s i`` and leaves ``e = v - (m + s i)`` to the next digit, or, folded, its mirror image where that
makes the next digit's value a continuous function of v (a reflected, or Gray, code):

    plain: e      folded, odd: (-1)^i e      folded, binary: -i e

so that a latent that crosses any cell boundary changes exactly one digit. Ties go up (never to even).

The same latent gets the same digits in every program on every device. Steps are held with two or three mantissa bits
less (`exactly_multipliable`), so that products with digits are exact in float32 and no contraction of multiply and
add can change a bit; and digits are found by comparing with the boundaries between them, each one rounded product,
not by a division, which a compiler turns into a product with a rounded reciprocal where the table is a constant.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

BINARY = 2
"""Mode of a digit with the levels -1 and +1."""


class DigitConstants(NamedTuple):
    """Constants of digits, of any shape that broadcasts with the values they code."""

    offset: Float[Array, "..."]
    step: Float[Array, "..."]
    mode: Int[Array, "..."]
    fold: Bool[Array, "..."]


def exactly_multipliable(steps: Float[Array, "..."], num_levels: int) -> Float[Array, "..."]:
    """Rounds positive float32 `steps` so that their products with digits of V levels are exact in float32.

    The largest digit is (V - 1) / 2, a number of n bits: 24 - n mantissa bits are kept.
    """
    dropped = ((num_levels - 1) // 2).bit_length()
    bits = jax.lax.bitcast_convert_type(steps.astype(jnp.float32), jnp.uint32)
    nearest = bits + (1 << (dropped - 1))
    return jax.lax.bitcast_convert_type(nearest >> dropped << dropped, jnp.float32)


def nearest_digit(value: Float[Array, "..."], constants: DigitConstants, largest: int) -> Int[Array, "..."]:
    """The digit whose level is nearest to `value`, ties up; `largest` is that of the alphabet, (V - 1) / 2."""
    centred = value - constants.offset
    boundaries = (constants.step * (upper - 0.5) for upper in range(1 - largest, largest + 1))
    reached = sum((centred >= boundary).astype(jnp.int32) for boundary in boundaries) - largest
    reach = reach_of(constants.mode)
    return jnp.where(
        constants.mode == BINARY, jnp.where(centred >= 0, 1, -1), jnp.clip(reached, -reach, reach)
    ).astype(jnp.int32)


def existing_digit(digit: Int[Array, "..."], mode: Int[Array, "..."]) -> Int[Array, "..."]:
    """The digit itself where its mode has it, else one that it has: every token string means something."""
    reach = reach_of(mode)
    return jnp.where(mode == BINARY, jnp.where(digit >= 0, 1, -1), jnp.clip(digit, -reach, reach))


def reach_of(mode: Int[Array, "..."]) -> Int[Array, "..."]:
    """Largest digit of a mode."""
    return mode // 2


def level(digit: Int[Array, "..."], constants: DigitConstants) -> Float[Array, "..."]:
    """The value that `digit` stands for."""
    return constants.offset + constants.step * digit.astype(jnp.float32)


def orientation(digit: Int[Array, "..."], constants: DigitConstants) -> Float[Array, "..."]:
    """-1 where the residual behind `digit` is passed on mirrored, else +1."""
    mirrored = jnp.where(constants.mode == BINARY, digit > 0, digit % 2 != 0)
    return jnp.where(constants.fold & mirrored, -1.0, 1.0)


def residual(value: Float[Array, "..."], digit: Int[Array, "..."], constants: DigitConstants) -> Float[Array, "..."]:
    """What `digit` leaves of `value`, as the next digit codes it."""
    return orientation(digit, constants) * (value - level(digit, constants))
