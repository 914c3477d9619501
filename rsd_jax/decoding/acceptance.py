"""The rule that accepts drafted layers, and what counts as accepted: pure functions of arrays."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from rsd_jax.array_types import LayerMask, Position, typecheck
from rsd_jax.decoding.interface import AcceptanceCounts, CodeShape, check_draft_layers


@typecheck
def layers_ahead(position: Position, num_layers: int) -> Int[Array, "B C D L"]:
    """How far layer l lies behind each column's `position`: ``l - position``, negative for layers already decoded.

    Comparing it with a constant addresses "the layer k behind my position" in every column at once, without a gather
    or scatter.

    Args:
        position: next layer to decode, per column.
        num_layers: L.
    """
    layer = jax.lax.broadcasted_iota(position.dtype, (*position.shape, num_layers), position.ndim)
    return layer - position[..., None]


@typecheck
def accepted_run(agrees: Bool[Array, "*columns K"]) -> Int[Array, "*columns"]:
    """Length of the run of agreeing layers at the start of a draft: what is accepted.

    A layer behind the first mismatch is never accepted: the target scored it with a wrong prefix.

    Args:
        agrees: whether each drafted layer equals the target's choice given the drafted layers before it.

    Returns:
        Number of accepted layers, 0 to K.
    """
    return jnp.cumprod(agrees, axis=-1, dtype=jnp.int32).sum(axis=-1)


@typecheck
def count_acceptance(position: Position, run: Position, draft_layers: int, informative: LayerMask) -> AcceptanceCounts:
    """Counts drafted and accepted tokens of one round by layer and latent dimension.

    Drafts behind a column's first mismatch count as proposed, drafts behind the last layer do not exist, and a column
    at the end of its layers proposes nothing. Digits that can take only one level are left out.

    A row's first round is the one in which all its columns are at layer 0; any other counts no `first_run`.

    Args:
        position: each column's layer before the round.
        run: drafted layers accepted in the round, per column.
        draft_layers: K, layers drafted a round.
        informative: which digits count.

    Raises:
        ValueError: `draft_layers` is outside 0..L: layers that do not exist would count.
    """
    check_draft_layers(draft_layers, informative.shape[0])
    ahead = layers_ahead(position, informative.shape[0])
    counted = (ahead >= 0) & informative.T[None, None]
    proposed = counted & (ahead < draft_layers)
    accepted = proposed & (ahead < run[..., None])
    columns = (1, 2)
    is_first_round = jnp.all(position == 0, axis=columns)
    of_all_columns = jax.nn.one_hot(jnp.min(run, axis=columns), draft_layers + 1, dtype=jnp.int32)
    return AcceptanceCounts(
        accepted=_over_steps(accepted),
        proposed=_over_steps(proposed),
        first_run=is_first_round[:, None] * of_all_columns,
    )


def no_drafts(batch_size: int, shape: CodeShape) -> AcceptanceCounts:
    """Counts before the first round: zeros."""
    tokens = jnp.zeros((batch_size, shape.num_layers, shape.latent_dim), jnp.int32)
    return AcceptanceCounts(tokens, tokens, jnp.zeros((batch_size, shape.draft_layers + 1), jnp.int32))


def _over_steps(counted: Bool[Array, "B C D L"]) -> Int[Array, "B L D"]:
    return counted.sum(axis=1, dtype=jnp.int32).swapaxes(1, 2)
