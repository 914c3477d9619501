"""Greedy decoding by the main head alone, one layer a pass: the reference that every lossless decoder must equal."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.array_types import Position, PyTree, Tokens, typecheck
from rsd_jax.decoding.acceptance import undrafted
from rsd_jax.decoding.caching import CachingMainFn, score_and_keep
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
    """Carry of the loop.

    Attributes:
        tokens: decoded before `layer`.
        layer: which all columns share.
        cache: of the main function, if it keeps one.
    """

    tokens: Tokens
    layer: Int[Array, ""]
    cache: PyTree | None


@typecheck
def autoregressive(
    features: PyTree,
    main: MainFn | CachingMainFn,
    shape: CodeShape,
    batch_size: int,
    given: GivenTokens | None = None,
    unrolled: bool = True,
) -> DecodeResult:
    """Decodes L layers in L passes of `main`.

    Args:
        features: what `main` reads, opaque here.
        main: scores one layer of every column given the coarser ones. If it keeps a cache, its first pass makes it.
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


def _unrolled(features: PyTree, main: MainFn | CachingMainFn, num_layers: int, given: GivenTokens) -> Tokens:
    # One array a layer: what a pass computes of the layers before, the next one then finds as it is.
    levels = list(jnp.moveaxis(given.tokens, -1, 0))
    cache = None
    for layer in range(num_layers):
        logits, cache = score_and_keep(main, features, cache, jnp.stack(levels, axis=-1), layer, 1)
        chosen = most_likely(logits[..., 0, :])
        levels[layer] = jnp.where(layer >= given.depth, chosen, levels[layer])
    return jnp.stack(levels, axis=-1)


def _looped(features: PyTree, main: MainFn | CachingMainFn, num_layers: int, given: GivenTokens) -> Tokens:
    def unfinished(state: AutoregressiveState) -> jax.Array:
        return state.layer < num_layers

    def decode_layer(state: AutoregressiveState, start: Position | int) -> AutoregressiveState:
        """One pass, which `main` is told to begin at `start`: the layer of every column, as a number or an array."""
        logits, cache = score_and_keep(main, features, state.cache, state.tokens, start, 1)
        position = jnp.broadcast_to(state.layer, given.depth.shape)
        at_layer = (layers_ahead(position, num_layers) == 0) & (position >= given.depth)[..., None]
        tokens = jnp.where(at_layer, most_likely(logits), state.tokens)
        return AutoregressiveState(tokens, state.layer + 1, cache)

    def next_layer(state: AutoregressiveState) -> AutoregressiveState:
        return decode_layer(state, jnp.broadcast_to(state.layer, given.depth.shape))

    state = AutoregressiveState(given.tokens, jnp.int32(0), None)
    if isinstance(main, CachingMainFn):  # its first pass makes the cache, which no loop can
        state = decode_layer(state, 0)
    return jax.lax.while_loop(unfinished, next_layer, state).tokens
