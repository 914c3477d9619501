"""Greedy decoding by the main head alone, one layer a pass: the reference that every lossless decoder must equal."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.array_types import PyTree, Tokens, typecheck
from rsd_jax.decoding.acceptance import layers_ahead, no_drafts
from rsd_jax.decoding.interface import (
    CodeShape,
    DecodeResult,
    GivenTokens,
    MainFn,
    check_code_shape,
    nothing_given,
)


class AutoregressiveState(NamedTuple):
    """Carry of the loop: `tokens` decoded before `layer`, which all columns share."""

    tokens: Tokens
    layer: Int[Array, ""]


@typecheck
def autoregressive(
    features: PyTree, main: MainFn, shape: CodeShape, batch_size: int, given: GivenTokens | None = None
) -> DecodeResult:
    """Decodes L layers in L passes of `main`.

    Args:
        features: what `main` reads, opaque here.
        main: scores the layer at each column's position given the coarser ones.
        shape: static shape of the code.
        batch_size: B.
        given: digits known in advance; None for none.

    Returns:
        The greedy tokens, L rounds, and acceptance counts of zero, because nothing was drafted.

    Raises:
        ValueError: `shape` drafts more layers than there are.
    """
    check_code_shape(shape)
    given = nothing_given(batch_size, shape) if given is None else given
    columns = (batch_size, shape.chunk_length, shape.latent_dim)

    def unfinished(state: AutoregressiveState) -> jax.Array:
        return state.layer < shape.num_layers

    def decode_layer(state: AutoregressiveState) -> AutoregressiveState:
        position = jnp.broadcast_to(state.layer, columns)
        levels = jnp.argmax(main(features, state.tokens, position, num_layers=1), axis=-1).astype(jnp.int32)
        at_layer = (layers_ahead(position, shape.num_layers) == 0) & (position >= given.depth)[..., None]
        return AutoregressiveState(tokens=jnp.where(at_layer, levels, state.tokens), layer=state.layer + 1)

    start = AutoregressiveState(tokens=given.tokens, layer=jnp.int32(0))
    end = jax.lax.while_loop(unfinished, decode_layer, start)
    rounds = jnp.broadcast_to(end.layer, (batch_size,))
    return DecodeResult(tokens=end.tokens, rounds=rounds, acceptance=no_drafts(batch_size, shape))
