"""Quantization with a gradient."""

import jax

from rsd_jax.array_types import Latents, Tokens, typecheck
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, dequantize


@typecheck
def straight_through(table: QuantizerTable, latents: Latents, tokens: Tokens) -> Latents:
    """What `tokens` decode to, with the gradient of `latents` and that of the table's levels.

    Written so that the value equals `dequantize` to the last bit, unlike ``z + stop_gradient(decoded - z)``: one
    decoder serves training and robots.
    """
    return dequantize(table, tokens) + (latents - jax.lax.stop_gradient(latents))
