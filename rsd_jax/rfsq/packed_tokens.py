"""Tokens as bytes, for keeping and moving many of them: int8, written and read four layers at a time.

A token takes 3 bits; as int32 it moves ten times as many through memory, which is what bounds the speed of tokenizing
on an accelerator. Here four layers make one 32-bit word, of which the int8 tokens are the bytes.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int8

from rsd_jax.array_types import Latents, typecheck
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, latents_of_layers, layer_tokens

_IN_A_WORD = 4


@typecheck
def quantize_packed(table: QuantizerTable, latents: Latents) -> Int8[Array, "B C D L"]:
    """The tokens of `quantize` as int8."""
    tokens = [token.astype(jnp.uint32) for token in layer_tokens(table, latents)]
    words = []
    for start in range(0, len(tokens), _IN_A_WORD):
        word = tokens[start]
        for place, token in enumerate(tokens[start + 1 : start + _IN_A_WORD], start=1):
            word = word | (token << (8 * place))
        words.append(word)
    in_bytes = jax.lax.bitcast_convert_type(jnp.stack(words, axis=-1), jnp.int8)
    return in_bytes.reshape(*latents.shape, -1)[..., : len(tokens)]


@typecheck
def dequantize_packed(table: QuantizerTable, tokens: Int8[Array, "B C D L"]) -> Latents:
    """`dequantize` of int8 tokens, all layers."""
    num_layers = tokens.shape[-1]
    padded = jnp.pad(tokens, ((0, 0),) * 3 + ((0, -num_layers % _IN_A_WORD),))
    words = jax.lax.bitcast_convert_type(padded.reshape(*tokens.shape[:-1], -1, _IN_A_WORD), jnp.uint32)
    layers = [
        (words[..., layer // _IN_A_WORD] >> (8 * (layer % _IN_A_WORD)) & 0xFF).astype(jnp.int32)
        for layer in range(num_layers)
    ]
    return latents_of_layers(table, layers, tokens.shape[:-1])
