"""Residual speculative decoding, lossless and greedy.

The draft proposes K layers of every column in one pass, the main head scores them and the layer after them in one
pass, and each column keeps the longest run that the main head would have chosen itself, plus one layer that it chose
(Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding", with residual layers in place of
words). Columns do not wait for each other: every column has its own position.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.array_types import Position, PyTree, Tokens, typecheck
from rsd_jax.decoding.acceptance import accepted_run, count_acceptance, layers_ahead, no_drafts
from rsd_jax.decoding.interface import (
    AcceptanceCounts,
    CodeShape,
    DecodeResult,
    DraftFn,
    GivenTokens,
    MainFn,
    check_code_shape,
    is_column_local,
    nothing_given,
)


class SpeculativeState(NamedTuple):
    """Carry of the loop.

    Attributes:
        tokens: final before each column's `position`, undefined from there on.
        position: next layer to decode, per column; L where the column is finished.
        rounds: passes of the main head so far that a row needed: while one of its columns was unfinished.
        acceptance: counts so far.
    """

    tokens: Tokens
    position: Position
    rounds: Int[Array, "B"]
    acceptance: AcceptanceCounts


@typecheck
def speculative_greedy(
    features: PyTree,
    draft: DraftFn,
    main: MainFn,
    shape: CodeShape,
    batch_size: int,
    given: GivenTokens | None = None,
) -> DecodeResult:
    """Decodes the tokens that `autoregressive` would, in as many rounds as the slowest column needs.

    A round decodes at least one layer of every unfinished column and at most K + 1, so that it takes between
    ``ceil(L / (K + 1))`` and L rounds, whatever the draft proposes.

    While a column waits for none, the digits that `main` sees of the others are drafts, or of other layers than
    `autoregressive` shows it: that changes nothing only for a `main` that is `column_local`.

    Args:
        features: what `draft` and `main` read, opaque here.
        draft: proposes K layers from each column's position.
        main: scores K + 1 layers from each column's position; declared `column_local`.
        shape: static shape of the code.
        batch_size: B.
        given: digits known in advance, which are neither drafted nor counted; None for none.

    Returns:
        The main head's greedy tokens, the rounds, and how many drafted tokens were accepted.

    Raises:
        ValueError: `main` is not declared `column_local`, or `shape` drafts more layers than there are.
    """
    check_code_shape(shape)
    if not is_column_local(main):
        raise ValueError(
            "main does not declare that it is column_local, and speculative_greedy finds the tokens of autoregressive "
            "only for one that is: whose logits of a column depend on no digit and no position of another. Declare it "
            "(rsd_jax.decoding.column_local) where that holds, which sees_other_columns checks; else decode by "
            "autoregressive"
        )

    def unfinished(state: SpeculativeState) -> jax.Array:
        return jnp.any(state.position < shape.num_layers)

    def draft_and_verify(state: SpeculativeState) -> SpeculativeState:
        drafted = _greedy(draft(features, state.tokens, state.position))
        proposal = _write_ahead(state.tokens, state.position, drafted)
        chosen = _greedy(main(features, proposal, state.position, num_layers=shape.draft_layers + 1))
        run = accepted_run(drafted == chosen[..., : shape.draft_layers])
        counts = count_acceptance(state.position, run, shape.draft_layers, shape.informative)
        return SpeculativeState(
            # Along the run `chosen` equals the draft, the layer after it is the main head's own choice given an
            # accepted prefix, and what lies behind is undefined until a later round.
            tokens=_write_ahead(state.tokens, state.position, chosen),
            position=jnp.minimum(state.position + run + 1, shape.num_layers),
            rounds=state.rounds + jnp.any(state.position < shape.num_layers, axis=(1, 2)),
            acceptance=jax.tree.map(jnp.add, state.acceptance, counts),
        )

    given = nothing_given(batch_size, shape) if given is None else given
    start = SpeculativeState(
        tokens=given.tokens,
        position=given.depth,
        rounds=jnp.zeros(batch_size, jnp.int32),
        acceptance=no_drafts(batch_size, shape),
    )
    end = jax.lax.while_loop(unfinished, draft_and_verify, start)
    return DecodeResult(tokens=end.tokens, rounds=end.rounds, acceptance=end.acceptance)


def _greedy(logits: jax.Array) -> jax.Array:
    """Most likely level of each digit; the lowest one on a tie, as in every decoder."""
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)


def _write_ahead(tokens: jax.Array, position: jax.Array, levels: jax.Array) -> jax.Array:
    """Writes `levels` ``[B, C, D, N]`` into the layers ``position .. position + N - 1``.

    Levels behind the last layer are dropped; a finished column (position L) is left as it is.
    """
    ahead = layers_ahead(position, tokens.shape[-1])
    for k in range(levels.shape[-1]):
        tokens = jnp.where(ahead == k, levels[..., k, None], tokens)
    return tokens
