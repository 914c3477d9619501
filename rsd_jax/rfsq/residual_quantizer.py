"""Residual finite scalar quantization (RFSQ) as pure functions over one table of constants.

Every layer k and latent dimension d has an offset, a step, a mode and a fold (`scalar_quantizer`), constants after
training. A latent is quantized layer by layer, each layer coding what the layers before have left over:

    v_0 = z;   i_k = nearest digit of v_k;   v_{k+1} = o(i_k) (v_k - (offset_k + step_k i_k))
    w_L = 0;   w_k = offset_k + step_k i_k + o(i_k) w_{k+1};   z_hat = w_0

with orientation o = 1, or -1 where a folded digit mirrors its residual. Tokens are ``i_k + (V - 1) / 2``, so the
middle level is token 3 of 7. Decoding needs the tokens and the table, nothing else, and works for any prefix of
layers and for every token string. Strategies (`rsd_jax.rfsq.strategies`) differ only in how they fill the table;
per-layer LayerNorm (arXiv 2508.15860, section 3) is one of them.
"""

from functools import partial, reduce

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from rsd_jax.array_types import Latents, LayeredLatents, LayerMask, LayerTable, Tokens, typecheck
from rsd_jax.rfsq.scalar_quantizer import (
    BINARY,
    DigitConstants,
    exactly_multipliable,
    existing_digit,
    level,
    nearest_digit,
    orientation,
    residual,
)
from rsd_jax.rfsq.small_integers import stack_small

# Called by itself such a function is one program instead of one an operation; in another's it leaves no trace.
_one_program = partial(jax.jit, inline=True)


@flax.struct.dataclass
class QuantizerTable:
    """Constants of a residual quantizer.

    Attributes:
        offset: middle of every digit's levels, ``float32 [L, D]``, in latent units.
        step: distance between neighbouring levels (half of it if binary), ``float32 [L, D]``, positive.
        mode: number of levels of every digit, ``int32 [L, D]``: 1, 2 or an odd number up to V.
        fold: whether a digit mirrors its residual, ``bool [L, D]``.
        num_levels: V, odd: the size of the token alphabet.
    """

    offset: LayerTable
    step: LayerTable
    mode: Int[Array, "L D"]
    fold: Bool[Array, "L D"]
    num_levels: int = flax.struct.field(pytree_node=False)

    @property
    def num_layers(self) -> int:
        """L."""
        return self.offset.shape[0]

    @property
    def reach(self) -> int:
        """Largest digit of the alphabet: tokens are digits plus this."""
        return (self.num_levels - 1) // 2

    @property
    def layers(self) -> list[DigitConstants]:
        """The constants layer by layer, ``[D]`` each."""
        return [DigitConstants(*rows) for rows in zip(self.offset, self.step, self.mode, self.fold, strict=True)]

    @property
    @_one_program
    def levels_exist(self) -> Bool[Array, "L D V"]:
        """Which tokens a digit can take."""
        digits = jnp.arange(-self.reach, self.reach + 1)
        return existing_digit(digits, self.mode[..., None]) == digits

    @property
    @_one_program
    def informative(self) -> LayerMask:
        """Which digits take more than one level, ``bool [L, D]``, for latents in [-1, 1].

        Follows the interval of possible residuals from layer to layer: a layer whose cells are all wider than what the
        coarser layers can leave has one digit only. Programs that run often take it as an argument.
        """
        low, high = jnp.full(self.offset.shape[1:], -1.0), jnp.full(self.offset.shape[1:], 1.0)
        masks = []
        for constants in self.layers:
            lowest, highest = (nearest_digit(end, constants, self.reach) for end in (low, high))
            # Ties go up: a cell does not hold its upper end.
            half = jnp.where(constants.mode == BINARY, 1.0, 0.5) * constants.step * (1 - 1e-6)
            first, last = residual(low, lowest, constants), residual(high, highest, constants)
            several, many = highest > lowest, highest - lowest > jnp.where(constants.mode == BINARY, 2, 1)
            inner = (orientation(lowest, constants) * half, -orientation(highest, constants) * half)
            ends = [first, last, *(jnp.where(several, end, first) for end in inner)]
            ends += [jnp.where(many, end, first) for end in (-half, half)]
            # A compiler that fuses layer into layer would compute each anew for every use in the next: 6^L times.
            low, high = jax.lax.optimization_barrier((reduce(jnp.minimum, ends), reduce(jnp.maximum, ends)))
            masks.append(several)
        return jnp.stack(masks)

    @property
    @_one_program
    def largest_remainder(self) -> LayerTable:
        """Largest change of a decoded latent that layers k .. L - 1 can make, over all token strings.

        ``float32 [L + 1, D]``, in latent units; row k for the prefix of k layers, 0 for the whole string.
        """
        low = high = jnp.zeros(self.offset.shape[1:], jnp.float32)
        largest = [low]
        for constants in reversed(self.layers):
            lows, highs = [], []
            for digit in range(-self.reach, self.reach + 1):
                canonical = existing_digit(jnp.full(constants.mode.shape, digit), constants.mode)
                mirrored = orientation(canonical, constants) < 0
                lows.append(level(canonical, constants) + jnp.where(mirrored, -high, low))
                highs.append(level(canonical, constants) + jnp.where(mirrored, -low, high))
            low, high = reduce(jnp.minimum, lows), reduce(jnp.maximum, highs)
            largest.append(jnp.maximum(jnp.abs(low), jnp.abs(high)))
        return jnp.stack(largest[::-1])


def make_table(
    offset: LayerTable,
    step: LayerTable,
    num_levels: int,
    mode: Int[Array, "L D"] | None = None,
    fold: Bool[Array, "L D"] | None = None,
) -> QuantizerTable:
    """Builds a table, rounding steps so that ``step * digit`` is exact (see `scalar_quantizer`).

    Args:
        offset: ``[L, D]``. step: ``[L, D]``.
        num_levels: V.
        mode: every digit's number of levels; V by default.
        fold: whether digits mirror their residuals; none does by default.

    Raises:
        ValueError: if `num_levels` is even or outside 3..15.
    """
    if num_levels % 2 == 0 or not 3 <= num_levels <= 15:
        raise ValueError(
            f"num_levels is {num_levels}; it must be odd and between 3 and 15, so that a middle level exists"
        )
    return QuantizerTable(
        offset=offset.astype(jnp.float32),
        step=exactly_multipliable(step, num_levels),
        mode=jnp.full(offset.shape, num_levels, jnp.int32) if mode is None else jnp.asarray(mode, jnp.int32),
        fold=jnp.zeros(offset.shape, bool) if fold is None else jnp.asarray(fold, bool),
        num_levels=num_levels,
    )


@_one_program
@typecheck
def quantize(table: QuantizerTable, latents: Latents) -> Tokens:
    """Codes `latents` into tokens, coarse to fine, in float32 whatever the model's type.

    NaN becomes some token: what has to be refused is refused before (`RfsqTokenizer.tokenize`).

    Raises:
        ValueError: another number of latents than the table's.
    """
    _check_latents(table, "latents", latents.shape[-1])
    value = latents.astype(jnp.float32)
    tokens = []
    for constants in table.layers:
        digit = nearest_digit(value, constants, table.reach)
        value = residual(value, digit, constants)
        tokens.append(digit + table.reach)
    return stack_small(tokens)


@partial(_one_program, static_argnames="num_layers")
@typecheck
def dequantize(table: QuantizerTable, tokens: Tokens, num_layers: int | None = None) -> Latents:
    """Decodes the first `num_layers` layers of `tokens`; by default those that it holds, all or a prefix.

    Tokens that a digit's mode lacks are read as the nearest that it has. The finest layer is added first, so that
    each prefix is summed in one order and small terms are not lost.

    Raises:
        ValueError: if `num_layers` is outside 0..L or more than `tokens` holds, or on another number of latents.
    """
    _check_latents(table, "tokens", tokens.shape[2])
    held = tokens.shape[-1]
    depth = held if num_layers is None else num_layers
    if not 0 <= depth <= table.num_layers:
        raise ValueError(f"num_layers is {depth}; it must be between 0 and the table's {table.num_layers}")
    if depth > held:
        raise ValueError(f"num_layers is {depth}, but tokens has shape {tokens.shape} and holds {held} layers")
    latents = jnp.zeros(tokens.shape[:-1], jnp.float32)
    for layer, constants in reversed(list(enumerate(table.layers[:depth]))):
        digit = existing_digit(tokens[..., layer].astype(jnp.int32) - table.reach, constants.mode)
        latents = level(digit, constants) + orientation(digit, constants) * latents
    return latents


@_one_program
@typecheck
def dequantize_to(table: QuantizerTable, tokens: Tokens, depth: Int[Array, "B C D"]) -> Latents:
    """Decodes the first `depth` layers of each column of `tokens`, 0 to L; like `dequantize` where all are equal.

    Raises:
        ValueError: another number of latents or layers than the table's.
    """
    _check_latents(table, "tokens", tokens.shape[2])
    _check_layers(table, tokens)
    latents = jnp.zeros(tokens.shape[:-1], jnp.float32)
    for layer, constants in reversed(list(enumerate(table.layers))):
        digit = existing_digit(tokens[..., layer].astype(jnp.int32) - table.reach, constants.mode)
        decoded = level(digit, constants) + orientation(digit, constants) * latents
        latents = jnp.where(layer < depth, decoded, latents)
    return latents


@_one_program
@typecheck
def residuals(table: QuantizerTable, latents: Latents, tokens: Tokens) -> LayeredLatents:
    """What the digits of `tokens` before each layer leave of `latents`: ``v_0 .. v_{L-1}``, ``[B, C, D, L]``.

    Residual l depends on no digit of layer l or finer.

    Raises:
        ValueError: another number of latents or layers than the table's.
    """
    _check_latents(table, "latents", latents.shape[-1])
    _check_layers(table, tokens)
    value = latents.astype(jnp.float32)
    values = []
    for layer, constants in enumerate(table.layers):
        values.append(value)
        value = residual(value, existing_digit(tokens[..., layer] - table.reach, constants.mode), constants)
    return jnp.stack(values, axis=-1)


@_one_program
@typecheck
def grid_coordinates(table: QuantizerTable, latents: Latents, tokens: Tokens) -> LayeredLatents:
    """Where `latents` lie in each layer's grid, given the coarser digits of `tokens`: ``[B, C, D, L]`` in steps.

    Coordinate l is ``(v_l - offset_l) / step_l`` of residual l (`residuals`). For the tokens of the latents themselves
    it is the digit plus what rounding took away. A head that estimates latents reads its opinion on every digit here.
    """
    return (residuals(table, latents, tokens) - table.offset.T) / table.step.T


def _check_latents(table: QuantizerTable, name: str, found: int) -> None:
    """One latent would silently be taken for all."""
    if found != (expected := table.offset.shape[1]):
        raise ValueError(f"{name} has {found} latents a step; the table has {expected}")


def _check_layers(table: QuantizerTable, tokens: Tokens) -> None:
    if tokens.shape[-1] != table.num_layers:
        raise ValueError(f"tokens holds {tokens.shape[-1]} layers; all {table.num_layers} of the table are needed")
