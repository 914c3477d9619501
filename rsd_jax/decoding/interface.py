"""How models reach the decoders, what they may be told in advance, and what they return."""

from typing import NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.array_types import LayerMask, Logits, Position, PyTree, Tokens


@runtime_checkable
class DraftFn(Protocol):
    """Proposes the next layers of every column in one pass.

    Called with `features` (whatever the models need, opaque to the decoder), `tokens` ``[B, C, D, L]`` of which the
    digits before `position` ``[B, C, D]`` are accepted and the rest is undefined. Returns logits ``[B, C, D, K, V]``
    for the layers ``position .. position + K - 1``; those behind the last layer are ignored.
    """

    def __call__(self, features: PyTree, tokens: Tokens, position: Position) -> Logits:
        """Logits of the next K layers."""
        ...


@runtime_checkable
class MainFn(Protocol):
    """Scores `num_layers` layers from `position` on, each given all coarser digits in `tokens`.

    Returns logits ``[B, C, D, num_layers, V]``. Logits of layer l must depend on no digit of a layer >= l;
    those behind the last layer are ignored.
    """

    def __call__(self, features: PyTree, tokens: Tokens, position: Position, *, num_layers: int) -> Logits:
        """Logits of the next `num_layers` layers."""
        ...


class CodeShape(NamedTuple):
    """Static shape of a code, and which digits can take more than one level.

    Attributes:
        chunk_length: C. latent_dim: D. num_layers: L. draft_layers: K.
        informative: ``bool [L, D]``; the other digits are constants and count in no acceptance.
    """

    chunk_length: int
    latent_dim: int
    num_layers: int
    draft_layers: int
    informative: LayerMask


class GivenTokens(NamedTuple):
    """Digits that are known before decoding starts; a decoder returns them as they are and decodes the others.

    Attributes:
        tokens: undefined from each column's `depth` on.
        depth: layers that are given, per column, 0 to L.
    """

    tokens: Tokens
    depth: Position


def nothing_given(batch_size: int, shape: CodeShape) -> GivenTokens:
    """No digit of any column."""
    columns = (batch_size, shape.chunk_length, shape.latent_dim)
    return GivenTokens(jnp.zeros((*columns, shape.num_layers), jnp.int32), jnp.zeros(columns, jnp.int32))


class AcceptanceCounts(NamedTuple):
    """What became of the draft's tokens, summed over a chunk's steps.

    Attributes:
        accepted: tokens kept because the rule accepted them, by layer and latent dimension; informative digits only.
        proposed: all tokens that were drafted, those behind a column's first mismatch included; likewise.
        first_run: 1 at the number of leading layers, 0 to K, that every column accepted in the first round, else 0, so
            that sums over chunks are histograms; all zeros where nothing was drafted. Only in the first round do all
            columns draft the same layers, so only there this is what whole layers as the unit of acceptance would get.
            Digits that are not informative take part: they end a run like any other.
    """

    accepted: Int[Array, "B L D"]
    proposed: Int[Array, "B L D"]
    first_run: Int[Array, "B N"]


class DecodeResult(NamedTuple):
    """Decoded `tokens`, the `rounds` (passes of the main head) each row needed, and the `acceptance` of the draft.

    A batch takes as many passes as its slowest row; what a row needed does not depend on the others.
    """

    tokens: Tokens
    rounds: Int[Array, "B"]
    acceptance: AcceptanceCounts
