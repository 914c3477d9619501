"""Residual finite scalar quantization (RFSQ) as pure functions over a table of constants.

Every layer k and latent dimension d has an offset and a step, constants after training. A latent is quantized layer by
layer, each layer coding what the layers before have left over:

    v_0 = z;   i_k = nearest digit of v_k;   v_{k+1} = v_k - (offset_k + step_k i_k)
    z_hat = sum over k of (offset_k + step_k i_k)

Tokens are ``i_k + (V - 1) / 2``, so the middle level is token 3 of 7. Decoding needs the tokens and the table, nothing
else, and works for any prefix of layers and for every token string. Per-layer LayerNorm (arXiv 2508.15860, section 3)
is one way to fill the table: its statistics, frozen after training, are the offsets and steps (`layer_statistics`).
"""

import flax.struct
import jax.numpy as jnp

from rsd_jax.array_types import Latents, LayeredLatents, LayerMask, LayerTable, Tokens, typecheck
from rsd_jax.rfsq.scalar_quantizer import exactly_multipliable, level, nearest_digit


@flax.struct.dataclass
class QuantizerTable:
    """Constants of a residual quantizer.

    Attributes:
        offset: middle level of every layer and latent dimension, ``float32 [L, D]``, in latent units.
        step: distance between neighbouring levels, ``float32 [L, D]``, positive.
        num_levels: V, odd.
    """

    offset: LayerTable
    step: LayerTable
    num_levels: int = flax.struct.field(pytree_node=False)

    @property
    def num_layers(self) -> int:
        """L."""
        return self.offset.shape[0]

    @property
    def reach(self) -> int:
        """Largest digit: digits run from -reach to reach."""
        return (self.num_levels - 1) // 2

    @property
    def informative(self) -> LayerMask:
        """Which digits can take more than one level, ``bool [L, D]``, for latents in [-1, 1].

        Follows the interval of possible residuals from layer to layer: a layer whose cells are all wider than what the
        coarser layers can leave has one digit only.
        """
        low, high = jnp.full(self.offset.shape[1:], -1.0), jnp.full(self.offset.shape[1:], 1.0)
        masks = []
        for offset, step in zip(self.offset, self.step, strict=True):
            lowest, highest = (nearest_digit(bound, offset, step, self.reach) for bound in (low, high))
            below, above = low - level(lowest, offset, step), high - level(highest, offset, step)
            several = highest > lowest
            masks.append(several)
            half = step / 2 * (1 - 1e-6)  # ties go up, so that a cell does not hold its upper end
            low = jnp.where(several, jnp.minimum(below, -half), below)
            high = jnp.where(several, jnp.maximum(above, half), above)
        return jnp.stack(masks)


def make_table(offset: LayerTable, step: LayerTable, num_levels: int) -> QuantizerTable:
    """Builds a table, rounding steps so that ``step * digit`` is exact (see `scalar_quantizer`).

    Raises:
        ValueError: if `num_levels` is even or outside 3..15.
    """
    if num_levels % 2 == 0 or not 3 <= num_levels <= 15:
        raise ValueError(
            f"num_levels is {num_levels}; it must be odd and between 3 and 15, so that a middle level exists"
        )
    return QuantizerTable(offset=offset.astype(jnp.float32), step=exactly_multipliable(step), num_levels=num_levels)


@typecheck
def quantize(table: QuantizerTable, latents: Latents) -> Tokens:
    """Codes `latents` into tokens, coarse to fine, in float32 whatever the model's type."""
    value = latents.astype(jnp.float32)
    digits = []
    for layer in range(table.num_layers):
        digit = nearest_digit(value, table.offset[layer], table.step[layer], table.reach)
        value = value - level(digit, table.offset[layer], table.step[layer])
        digits.append(digit)
    return jnp.stack(digits, axis=-1) + table.reach


@typecheck
def dequantize(table: QuantizerTable, tokens: Tokens, num_layers: int | None = None) -> Latents:
    """Decodes the first `num_layers` layers of `tokens` (all by default).

    The finest layer is added first, so that each prefix is summed in one order and small terms are not lost.

    Raises:
        ValueError: if `num_layers` is outside 0..L.
    """
    depth = table.num_layers if num_layers is None else num_layers
    if not 0 <= depth <= table.num_layers:
        raise ValueError(f"num_layers is {num_layers}; it must be between 0 and the table's {table.num_layers}")
    latents = jnp.zeros(tokens.shape[:-1], jnp.float32)
    for layer in reversed(range(depth)):
        latents = latents + level(tokens[..., layer] - table.reach, table.offset[layer], table.step[layer])
    return latents


@typecheck
def grid_coordinates(table: QuantizerTable, latents: Latents, tokens: Tokens) -> LayeredLatents:
    """Where `latents` lie in each layer's grid, given the coarser digits of `tokens`: ``[B, C, D, L]`` in steps.

    Coordinate l is ``(v_l - offset_l) / step_l`` with ``v_l`` the residual that the digits of layers before l leave
    of `latents`; it depends on no digit of layer l or finer. For the tokens of the latents themselves it is the digit
    plus what rounding took away. A head that estimates latents reads its opinion on every digit here.
    """
    value = latents.astype(jnp.float32)
    coordinates = []
    for layer in range(table.num_layers):
        coordinates.append((value - table.offset[layer]) / table.step[layer])
        value = value - level(tokens[..., layer] - table.reach, table.offset[layer], table.step[layer])
    return jnp.stack(coordinates, axis=-1)
