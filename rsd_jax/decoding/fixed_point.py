"""Greedy decoding as a fixed point: guess a whole code, score all of it in one pass, and repeat until nothing changes.

Jacobi decoding (Santilli et al. 2023, "Accelerating Transformer Inference for Translation via Parallel Decoding", with
residual layers in place of words). The tokens of `autoregressive` are the only fixed point of "the main head's choices
given these tokens": its choice at layer l depends on coarser layers alone, so that pass n makes layer n - 1 right
whatever the guess was, and L passes make all. A guess that is nearly right, such as the main head's own estimate of
the latents, quantized, needs about two.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from rsd_jax.array_types import PyTree, Tokens, typecheck
from rsd_jax.decoding.acceptance import undrafted
from rsd_jax.decoding.caching import CachingMainFn, check_first_pass, score_and_keep
from rsd_jax.decoding.further_passes import further_passes
from rsd_jax.decoding.interface import (
    CodeShape,
    DecodeResult,
    GivenTokens,
    MainFn,
    check_code_shape,
    check_unrolled_passes,
    nothing_given,
)
from rsd_jax.most_likely import most_likely


class FixedPointState(NamedTuple):
    """Carry of the passes.

    Attributes:
        tokens: the last pass's choices.
        settled: rows whose tokens are final, because their last pass changed no layer that another one reads.
        rounds: passes so far that a row needed: while it was not settled.
        passes: passes so far, L at most.
        cache: of the main function, if it keeps one.
    """

    tokens: Tokens
    settled: Bool[Array, "B"]
    rounds: Int[Array, "B"]
    passes: Int[Array, ""]
    cache: PyTree | None


@typecheck
def fixed_point(
    features: PyTree,
    main: MainFn | CachingMainFn,
    shape: CodeShape,
    batch_size: int,
    given: GivenTokens | None = None,
    guess: Tokens | None = None,
    unrolled_passes: int = 2,
) -> DecodeResult:
    """Decodes the tokens that `autoregressive` would, in as many passes as the guess leaves to do.

    Exact for every main function, `column_local` or not: all columns stand at the same layer.

    Args:
        features: what `main` reads, opaque here.
        main: scores all L layers in one pass. If it keeps a cache, the first pass makes it.
        shape: static shape of the code.
        batch_size: B.
        given: digits known in advance, which stay; None for none.
        guess: where to start, any tokens; None for zeros, which the first pass replaces by its choices.
        unrolled_passes: passes written out one after the other, which always run; further ones run in a loop while a
            row needs them. Compilers of accelerators launch straight-line code at once.

    Returns:
        The main head's greedy tokens, the passes that each row needed, the last of which confirms the one before, and
        acceptance counts of zero, because no draft model proposed anything.

    Raises:
        ValueError: `unrolled_passes` is negative, or 0 where the first pass makes a cache, or `shape` drafts more
            layers than there are.
    """
    check_code_shape(shape)
    check_unrolled_passes(unrolled_passes)
    check_first_pass(main, is_written_out=unrolled_passes > 0)
    given = nothing_given(batch_size, shape) if given is None else given
    is_given = jnp.arange(shape.num_layers) < given.depth[..., None]

    def unfinished(state: FixedPointState) -> jax.Array:
        return (state.passes < shape.num_layers) & ~jnp.all(state.settled)

    def score_all(state: FixedPointState) -> FixedPointState:
        logits, cache = score_and_keep(main, features, state.cache, state.tokens, 0, shape.num_layers)
        chosen = most_likely(logits)
        # A settled row stays as it is, even where another program of the same pass would decide a near-tie otherwise:
        # what a row needs and gets does not depend on others.
        stays = is_given | state.settled[:, None, None, None]
        # Written once: fused into what reads it, every choice would be made anew for every layer of its column.
        tokens = jax.lax.optimization_barrier(jnp.where(stays, state.tokens, chosen))
        # Nothing reads the finest layer, so a change there calls for no further pass.
        changed = jnp.any((tokens != state.tokens)[..., :-1], axis=(1, 2, 3))
        return FixedPointState(
            tokens=tokens,
            settled=state.settled | ~changed,
            rounds=state.rounds + ~state.settled,
            passes=state.passes + 1,
            cache=cache,
        )

    guess = jnp.zeros_like(given.tokens) if guess is None else guess.astype(jnp.int32)
    state = FixedPointState(
        tokens=jnp.where(is_given, given.tokens, guess),
        settled=jnp.zeros(batch_size, bool),
        rounds=jnp.zeros(batch_size, jnp.int32),
        passes=jnp.int32(0),
        cache=None,
    )
    for _ in range(min(unrolled_passes, shape.num_layers)):
        state = score_all(state)
    if unrolled_passes < shape.num_layers:
        state = further_passes(unfinished, score_all, state, unrolled_passes)
    return undrafted(state.tokens, state.rounds, shape)
