"""Greedy decoding by the main head alone, one layer a pass: the reference that every lossless decoder must equal."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.array_types import PyTree, Tokens, typecheck
from rsd_jax.decoding.acceptance import undrafted
from rsd_jax.decoding.interface import (
    CodeShape,
    DecodeResult,
    GivenTokens,
    MainFn,
    check_code_shape,
    nothing_given,
)
from rsd_jax.decoding.positions import layers_ahead
from rsd_jax.most_likely import most_likely


class AutoregressiveState(NamedTuple):
    """Carry of the loop: `tokens` decoded before `layer`, which all columns share."""

    tokens: Tokens
    layer: Int[Array, ""]


@typecheck
def autoregressive(
    features: PyTree,
    main: MainFn,
    shape: CodeShape,
    batch_size: int,
    given: GivenTokens | None = None,
    unrolled: bool = True,
) -> DecodeResult:
    """Decodes L layers in L passes of `main`.

    Args:
        features: what `main` reads, opaque here.
        main: scores one layer of every column given the coarser ones.
        shape: static shape of the code.
        batch_size: B.
        given: digits known in advance; None for none.
        unrolled: whether the passes stand one after the other, each with its layer as a number, which runs faster, or
            in one loop over an array of positions, which compiles faster.

    Returns:
        The greedy tokens, L rounds, and acceptance counts of zero, because nothing was drafted.

    Raises:
        ValueError: `shape` drafts more layers than there are.
    """
    check_code_shape(shape)
    given = nothing_given(batch_size, shape) if given is None else given
    tokens = (_unrolled if unrolled else _looped)(features, main, shape.num_layers, given)
    return undrafted(tokens, jnp.full(batch_size, shape.num_layers, jnp.int32), shape)


def _unrolled(features: PyTree, main: MainFn, num_layers: int, given: GivenTokens) -> Tokens:
    # One array a layer: what a pass computes of the layers before, the next one then finds as it is.
    levels = list(jnp.moveaxis(given.tokens, -1, 0))
    for layer in range(num_layers):
        logits = main(features, jnp.stack(levels, axis=-1), layer, num_layers=1)[..., 0, :]
        chosen = most_likely(logits)
        levels[layer] = jnp.where(layer >= given.depth, chosen, levels[layer])
    return jnp.stack(levels, axis=-1)


def _looped(features: PyTree, main: MainFn, num_layers: int, given: GivenTokens) -> Tokens:
    def unfinished(state: AutoregressiveState) -> jax.Array:
        return state.layer < num_layers

    def decode_layer(state: AutoregressiveState) -> AutoregressiveState:
        position = jnp.broadcast_to(state.layer, given.depth.shape)
        levels = most_likely(main(features, state.tokens, position, num_layers=1))
        at_layer = (layers_ahead(position, num_layers) == 0) & (position >= given.depth)[..., None]
        return AutoregressiveState(tokens=jnp.where(at_layer, levels, state.tokens), layer=state.layer + 1)

    start = AutoregressiveState(tokens=given.tokens, layer=jnp.int32(0))
    return jax.lax.while_loop(unfinished, decode_layer, start).tokens
