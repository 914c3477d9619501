"""Residual speculative decoding.

The draft proposes K layers of every column in one pass, the main head scores them and the layer after them in one
pass, and each column keeps the longest run that a rule accepts, plus one layer that the rule chose (Leviathan et al.
2023, "Fast Inference from Transformers via Speculative Decoding", with residual layers in place of words). Columns do
not wait for each other: every column has its own position.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from rsd_jax.array_types import Logits, Position, PyTree, Tokens, typecheck
from rsd_jax.decoding.acceptance import accepted_run, count_acceptance
from rsd_jax.decoding.caching import CachingMainFn, check_first_pass, score_and_keep
from rsd_jax.decoding.column_sets import least_of_set, sets_of_columns
from rsd_jax.decoding.further_passes import further_passes
from rsd_jax.decoding.interface import (
    AcceptanceCounts,
    CodeShape,
    DecodeResult,
    DecodeTrace,
    DraftFn,
    GivenTokens,
    MainFn,
    check_code_shape,
    check_unrolled_passes,
    nothing_given,
)
from rsd_jax.decoding.positions import layers_ahead, write_ahead
from rsd_jax.decoding.rules import AcceptanceRule, LosslessGreedy, Verification
from rsd_jax.rfsq.certificate import Certificate


class SpeculativeState(NamedTuple):
    """Carry of the rounds.

    Attributes:
        tokens: final before each column's `position`, undefined from there on.
        position: next layer to decode, per column; at its depth where the column is finished.
        memory: of the rule.
        cache: of the main function, if it keeps one.
        number: of rounds so far.
        starts: positions before each round, at their depth before one that has not been; L rounds are the most.
        runs: drafted layers accepted in each.
    """

    tokens: Tokens
    position: Position
    memory: PyTree
    cache: PyTree | None
    number: Int[Array, ""]
    starts: Int[Array, "R B C D"]
    runs: Int[Array, "R B C D"]


@typecheck
def speculative_greedy(
    features: PyTree,
    draft: DraftFn,
    main: MainFn | CachingMainFn,
    shape: CodeShape,
    batch_size: int,
    given: GivenTokens | None = None,
    unrolled_passes: int = 1,
    scores_all_layers: bool = True,
) -> DecodeResult:
    """Decodes the tokens that `autoregressive` would: `speculative` with the rule `LosslessGreedy`."""
    rule, no_keys, no_certificate = LosslessGreedy(), None, None
    settings = no_keys, no_certificate, unrolled_passes, scores_all_layers
    return speculative(features, draft, main, rule, shape, batch_size, given, *settings)


@typecheck
def speculative(
    features: PyTree,
    draft: DraftFn,
    main: MainFn | CachingMainFn,
    rule: AcceptanceRule,
    shape: CodeShape,
    batch_size: int,
    given: GivenTokens | None = None,
    keys: Key[Array, " B"] | None = None,
    certificate: Certificate | None = None,
    unrolled_passes: int = 1,
    scores_all_layers: bool = True,
) -> DecodeResult:
    """Decodes in as many rounds as the slowest column needs.

    A round decodes at least one layer of every unfinished column and at most K + 1, so that it takes between
    ``ceil(L / (K + 1))`` and L rounds, whatever the draft proposes.

    While a column waits for none, the digits that `main` sees of the others are drafts, or of other layers than
    `autoregressive` shows it: that changes nothing only for a `main` that is `column_local`. Where columns see each
    other, `main` declares which (`columns_in_sets`), and those of a set wait for each other: it keeps the layers that
    all of them accepted, and in the layer behind these the digits that were accepted stay beside the rule's own.

    Args:
        features: what `draft` and `main` read, opaque here.
        draft: proposes K layers from each column's position.
        main: scores the drafted layers and the one behind them; declared `column_local`, or with sets of columns. If
            it keeps a cache, the first round's call makes it.
        rule: which drafted tokens stay.
        shape: static shape of the code.
        batch_size: B.
        given: digits known in advance, which are neither drafted nor counted; None for none.
        keys: a random key a row, for rules that draw; consumed. What a row draws depends on its own key alone.
        certificate: of the tokenizer, for rules that need one.
        unrolled_passes: rounds written out one after the other, which always run; further ones run in a loop while a
            row needs them. The first written one knows its layers while it is compiled, if nothing is given.
        scores_all_layers: whether `main` scores the whole code in every round, at positions that are known while
            compiling; else K + 1 layers from each column's own position, for a main function to which layers cost
            more than picking them does.

    Returns:
        The tokens, the rounds, and how many drafted tokens were accepted. Under `LosslessGreedy` they are the main
        head's greedy tokens, and under `LosslessSampling` draws from its distribution.

    Raises:
        ValueError: `main` declares neither `column_local` nor sets of columns, or sets where the rule remembers, or
            keeps a cache that the first round cannot make (digits are given, or no round is unrolled); `shape` drafts
            more layers than there are, `unrolled_passes` is negative, the draft returns logits of another shape, or
            the rule needs keys or a certificate that are not there.
    """
    check_code_shape(shape)
    check_unrolled_passes(unrolled_passes)
    check_first_pass(main, is_written_out=unrolled_passes > 0, nothing_is_given=given is None)
    sets = sets_of_columns(main, shape)
    if rule.draws and keys is None:
        raise ValueError(f"keys is None, and {type(rule).__name__} draws at random; give a random key a row, [B]")
    memory, depth_of_latents = rule.start(shape, batch_size, certificate)
    if sets is not None and jax.tree.leaves(memory):
        raise ValueError(
            f"main declares column_sets, and {type(rule).__name__} remembers what it accepted, of which a set may "
            "keep less; use a rule that remembers nothing, or a main function that is column_local"
        )
    told = nothing_given(batch_size, shape) if given is None else given
    depth = jnp.maximum(depth_of_latents, told.depth)
    layer = jnp.arange(shape.num_layers)

    def unfinished(state: SpeculativeState) -> jax.Array:
        return jnp.any(state.position < depth)

    def draft_and_verify(state: SpeculativeState, start: Position | int) -> SpeculativeState:
        """One round, in which all columns draft from `start`: their positions, as a number if that is known."""
        of_round = None if keys is None else jax.vmap(lambda key: jax.random.fold_in(key, state.number))(keys)
        draft_logits = draft(features, state.tokens, start)
        if draft_logits.shape[:-1] != state.tokens.shape:
            raise ValueError(
                f"draft returned logits of shape {draft_logits.shape}; it must return those of all {shape.num_layers} "
                f"layers, [B, C, D, L, V] with [B, C, D, L] = {list(state.tokens.shape)}, of which K are used"
            )
        ahead = layers_ahead(state.position, shape.num_layers)
        # Written once: fused into what reads it, every choice would be made anew for every layer of its column.
        proposal = jax.lax.optimization_barrier(
            jnp.where(ahead >= 0, rule.propose(draft_logits, of_round), state.tokens)
        )
        main_logits, cache = score(state.cache, proposal, start)
        round_ = Verification(
            proposal=proposal,
            is_drafted=(ahead >= 0) & (ahead < shape.draft_layers) & (layer < depth[..., None]),
            draft_logits=draft_logits,
            main_logits=main_logits,
            keys=of_round,
        )
        accepted, memory = rule.accept(state.memory, round_)
        accepted &= round_.is_drafted
        stop = accepted_run((ahead < 0) | accepted)
        is_replaced = layer == stop[..., None]
        if sets is not None:
            stop = least_of_set(stop, sets)
            is_replaced = (layer == stop[..., None]) & ~accepted
        return SpeculativeState(
            # Up to `stop` stands what was accepted, there the rule's own choice, and what lies behind is undefined
            # until a later round.
            tokens=jnp.where(is_replaced, rule.replace(round_, stop), proposal),
            position=jnp.minimum(stop + 1, depth),
            memory=memory,
            cache=cache,
            number=state.number + 1,
            starts=state.starts.at[state.number].set(state.position),
            runs=state.runs.at[state.number].set(stop - state.position),
        )

    def score(cache: PyTree | None, proposal: Tokens, start: Position | int) -> tuple[Logits, PyTree | None]:
        if scores_all_layers:
            return score_and_keep(main, features, cache, proposal, 0, shape.num_layers)
        logits, cache = score_and_keep(main, features, cache, proposal, start, shape.draft_layers + 1)
        by_layer = jnp.zeros((*proposal.shape, logits.shape[-1]), logits.dtype)
        return write_ahead(by_layer, start, logits), cache

    rounds = (shape.num_layers, *told.depth.shape)
    state = SpeculativeState(
        tokens=told.tokens,
        position=told.depth,
        memory=memory,
        cache=None,
        number=jnp.int32(0),
        starts=jnp.broadcast_to(depth, rounds),
        runs=jnp.zeros(rounds, jnp.int32),
    )
    for written in range(min(unrolled_passes, shape.num_layers)):
        state = draft_and_verify(state, 0 if written == 0 and given is None else state.position)
    if unrolled_passes < shape.num_layers:

        def one_round(state: SpeculativeState) -> SpeculativeState:
            return draft_and_verify(state, state.position)

        state = further_passes(unfinished, one_round, state, unrolled_passes)
    return _result(state, depth, shape)


def _result(state: SpeculativeState, depth: Position, shape: CodeShape) -> DecodeResult:
    """What the rounds found, and what they counted, of all rounds together."""

    def count(start: Position, run: Position) -> AcceptanceCounts:
        return count_acceptance(start, run, shape.draft_layers, shape.informative, depth)

    of_rounds, columns = jax.vmap(count)(state.starts, state.runs), (2, 3)
    is_unfinished = state.starts < depth
    drafts = is_unfinished.sum(axis=(0, *columns), dtype=jnp.int32) * (shape.draft_layers > 0)
    is_decoded = jnp.arange(shape.num_layers) < depth[..., None]
    return DecodeResult(
        tokens=jnp.where(is_decoded, state.tokens, 0),
        rounds=jnp.any(is_unfinished, axis=columns).sum(axis=0, dtype=jnp.int32),
        acceptance=jax.tree.map(lambda counts: counts.sum(axis=0, dtype=jnp.int32), of_rounds),
        depth=depth,
        trace=DecodeTrace(
            drafts=drafts,
            kept=state.runs.sum(axis=(0, *columns), dtype=jnp.int32),
            skipped=(~is_decoded & shape.informative.T).sum(axis=1, dtype=jnp.int32).swapaxes(1, 2),
        ),
    )
