"""The rule that accepts drafted layers, and what counts as accepted: pure functions of arrays."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from rsd_jax.array_types import LayerMask, Position, Tokens, typecheck
from rsd_jax.decoding.interface import (
    AcceptanceCounts,
    CodeShape,
    DecodeResult,
    DecodeTrace,
    check_draft_layers,
)
from rsd_jax.decoding.positions import layers_ahead


@typecheck
def accepted_run(agrees: Bool[Array, "*columns K"]) -> Int[Array, "*columns"]:
    """Length of the run of agreeing layers at the start of a draft: what is accepted.

    A layer behind the first mismatch is never accepted: the target scored it with a wrong prefix.

    Args:
        agrees: whether each drafted layer equals the target's choice given the drafted layers before it.

    Returns:
        Number of accepted layers, 0 to K.
    """
    length = agrees.shape[-1]
    return jnp.min(jnp.where(agrees, length, jnp.arange(length, dtype=jnp.int32)), axis=-1, initial=length)


@typecheck
def count_acceptance(
    position: Position, run: Position, draft_layers: int, informative: LayerMask, depth: Position | None = None
) -> AcceptanceCounts:
    """Counts drafted and accepted tokens of one round by layer and latent dimension.

    Drafts behind a column's first mismatch count as proposed, drafts behind the last layer do not exist, and a column
    at the end of its layers proposes nothing. Digits that can take only one level are left out.

    A row's first round is the one in which all its columns are at layer 0; any other counts no `first_run`.

    Args:
        position: each column's layer before the round.
        run: drafted layers accepted in the round, per column.
        draft_layers: K, layers drafted a round.
        informative: which digits count.
        depth: layers of each column that are decoded at all; None for all of them.

    Raises:
        ValueError: `draft_layers` is outside 0..L: layers that do not exist would count.
    """
    check_draft_layers(draft_layers, informative.shape[0])
    ahead = layers_ahead(position, informative.shape[0])
    counted = (ahead >= 0) & informative.T[None, None]
    if depth is not None:
        counted &= ahead < (depth - position)[..., None]
    proposed = counted & (ahead < draft_layers)
    accepted = proposed & (ahead < run[..., None])
    columns = (1, 2)
    is_first_round = jnp.all(position == 0, axis=columns)
    if depth is not None:
        is_first_round &= jnp.any(position < depth, axis=columns)
    of_all_columns = jax.nn.one_hot(jnp.min(run, axis=columns), draft_layers + 1, dtype=jnp.int32)
    return AcceptanceCounts(
        accepted=_over_steps(accepted),
        proposed=_over_steps(proposed),
        first_run=is_first_round[:, None] * of_all_columns,
    )


def undrafted(tokens: Tokens, rounds: Int[Array, " B"], shape: CodeShape) -> DecodeResult:
    """The result of a decoder that decodes all layers, and for which nothing is drafted."""
    batch_size = len(tokens)
    nothing = jnp.zeros(batch_size, jnp.int32)
    acceptance = no_drafts(batch_size, shape)
    return DecodeResult(
        tokens=tokens,
        rounds=rounds,
        acceptance=acceptance,
        depth=jnp.full(tokens.shape[:-1], shape.num_layers, jnp.int32),
        trace=DecodeTrace(drafts=nothing, kept=nothing, skipped=acceptance.proposed),
    )


def no_drafts(batch_size: int, shape: CodeShape) -> AcceptanceCounts:
    """Counts before the first round: zeros."""
    tokens = jnp.zeros((batch_size, shape.num_layers, shape.latent_dim), jnp.int32)
    return AcceptanceCounts(tokens, tokens, jnp.zeros((batch_size, shape.draft_layers + 1), jnp.int32))


def _over_steps(counted: Bool[Array, "B C D L"]) -> Int[Array, "B L D"]:
    return counted.sum(axis=1, dtype=jnp.int32).swapaxes(1, 2)
