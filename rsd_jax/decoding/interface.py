"""How models reach the decoders, what they may be told in advance, and what they return."""

from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rsd_jax.array_types import LayerMask, Logits, Position, PyTree, Tokens


@runtime_checkable
class DraftFn(Protocol):
    """Proposes the next layers of every column in one pass.

    Called with `features` (whatever the models need, opaque to the decoder), `tokens` ``[B, C, D, L]`` of which the
    digits before `position` ``[B, C, D]`` are accepted and the rest is undefined. Returns logits ``[B, C, D, L, V]``,
    of which those of the layers ``position .. position + K - 1`` are used. A Python number is the position of every
    column, known while tracing.
    """

    def __call__(self, features: PyTree, tokens: Tokens, position: Position | int) -> Logits:
        """Logits of every layer from `position` on."""
        ...


@runtime_checkable
class MainFn(Protocol):
    """Scores `num_layers` layers from `position` on, each given all coarser digits in `tokens`.

    Returns logits ``[B, C, D, num_layers, V]``. Logits of layer l must depend on no digit of a layer >= l;
    those behind the last layer are ignored. A Python number is the position of every column, known while tracing, and
    gives the logits that an array full of it gives, up to rounding: ``main(features, tokens, 0, num_layers=L)`` scores
    the whole code. One whose logits of a column also depend on nothing of another column
    declares that, see `column_local`.
    """

    def __call__(self, features: PyTree, tokens: Tokens, position: Position | int, *, num_layers: int) -> Logits:
        """Logits of the next `num_layers` layers."""
        ...


MainFnT = TypeVar("MainFnT", bound=MainFn)


def column_local(main: MainFnT) -> MainFnT:
    """Declares that the logits of a column depend on no digit and no position of another column; returns `main`.

    Sets the attribute ``column_local``, which classes of callables can also have. `sees_other_columns` checks it.
    """
    main.column_local = True  # type: ignore[attr-defined]
    return main


def is_column_local(main: object) -> bool:
    """Whether `main` declares it; a function that says nothing does not."""
    return bool(getattr(main, "column_local", False))


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


def check_draft_layers(draft_layers: int, num_layers: int) -> None:
    """Whether a draft proposes no more layers than there are: those behind the last one would be counted.

    Raises:
        ValueError: `draft_layers` is outside 0..L.
    """
    if not 0 <= draft_layers <= num_layers:
        raise ValueError(f"draft_layers is {draft_layers}; it must be between 0 and num_layers = {num_layers}")


def check_code_shape(shape: CodeShape) -> None:
    """Whether the parts of a shape fit together.

    Raises:
        ValueError: `draft_layers` is outside 0..L, or `informative` is of another code.
    """
    check_draft_layers(shape.draft_layers, shape.num_layers)
    if shape.informative.shape != (shape.num_layers, shape.latent_dim):
        raise ValueError(
            f"informative has shape {shape.informative.shape}; it must be [L, D] = "
            f"[{shape.num_layers}, {shape.latent_dim}]"
        )


def check_unrolled_passes(unrolled_passes: int) -> None:
    """Whether so many passes can be written out.

    Raises:
        ValueError: `unrolled_passes` is negative.
    """
    if unrolled_passes < 0:
        raise ValueError(f"unrolled_passes is {unrolled_passes}; it must be 0 or more: passes that always run")


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


class DecodeTrace(NamedTuple):
    """How a decoding went, beside what is counted by digit in `AcceptanceCounts`.

    Attributes:
        drafts: proposals: one for each column and round in which the draft proposed a layer of it.
        kept: drafted layers that were accepted in them, digits of one level included.
        skipped: digits that were not decoded, because a certificate said that they do not matter, by layer and latent
            dimension, summed over a chunk's steps; informative digits only.
    """

    drafts: Int[Array, " B"]
    kept: Int[Array, " B"]
    skipped: Int[Array, "B L D"]

    def mean_acceptance_length(self) -> Float[Array, ""]:
        """Layers that a column advances in a round on average: ``1 + accepted / drafts``; 1 without drafts.

        As vLLM defines it (``vllm/v1/spec_decode/metrics.py``: 1 + num_accepted_tokens / num_drafts), with columns in
        place of sequences. The 1 is the layer that the rule chose itself.
        """
        return 1 + self.kept.sum() / jnp.maximum(self.drafts.sum(), 1)


class DecodeResult(NamedTuple):
    """What a decoder found.

    A batch takes as many passes as its slowest row; what a row needed does not depend on the others.

    Attributes:
        tokens: decoded.
        rounds: passes of the main head that each row needed.
        acceptance: of the draft.
        depth: layers of each column that were decoded: all L, but under a certificate that needed no more. Tokens
            behind them mean nothing; what is certified are the actions that the layers before them decode to
            (`RfsqTokenizer.detokenize_to`).
        trace: how it went.
    """

    tokens: Tokens
    rounds: Int[Array, " B"]
    acceptance: AcceptanceCounts
    depth: Position
    trace: DecodeTrace
