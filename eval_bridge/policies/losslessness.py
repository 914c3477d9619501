"""Whether decoders that promise the autoregressive decoder's tokens keep that promise, where and as they are compiled.

A program of another shape may add up in another order, so that two levels of a digit that are nearly equally likely
can change places. How many digits are so close is counted beside the differences; a difference elsewhere is a fault of
the decoder.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from eval_bridge.policies.compiled_policy import LoadedModels
from eval_bridge.policies.compiler_options import compiler_options
from eval_bridge.policies.decoder_models import ModelArrays, Models
from eval_bridge.policies.decoders import LOSSLESS, Autoregressive, TokenDecoder
from rsd_jax.array_types import Features
from rsd_jax.decoding import DecodeResult, sees_other_columns

TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6)
"""Differences of the two largest logits of a digit below which it counts as a near-tie."""


class Decoded(NamedTuple):
    """Tokens of N chunks ``[N, C, D, L]``, the rounds that each took ``[N]``, and the draft's tokens in all."""

    tokens: NDArray[np.int32]
    rounds: NDArray[np.int32]
    accepted: int
    proposed: int


class Differences(NamedTuple):
    """How two decodings of the same chunks differ.

    Attributes:
        chunks: compared. digits: in them, those included that can take one level only.
        different_chunks: with at least one other digit. different_digits: in all.
        largest_gap: of the two largest logits, over the coarsest different digit of every column that differs: the
            finer ones follow from it. None where nothing differs.
    """

    chunks: int
    digits: int
    different_chunks: int
    different_digits: int
    largest_gap: float | None


class LosslessCheck(NamedTuple):
    """One decoder at one batch size.

    Attributes:
        decoder: its name. batch_size: rows of a call. against: what it is compared with.
        differences: found.
        rounds_mean: passes of the main head a chunk.
        near_ties: digits whose two largest logits differ by less than each of `TOLERANCES`.
    """

    decoder: str
    batch_size: int
    against: str
    differences: Differences
    rounds_mean: float
    near_ties: dict[float, int]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        near_ties = {f"{limit:g}": count for limit, count in self.near_ties.items()}
        return {**self._asdict(), "differences": self.differences._asdict(), "near_ties": near_ties}


def decode_all(decoder: TokenDecoder, models: LoadedModels, features: Features, batch_size: int) -> Decoded:
    """Decodes features ``[N, C, F]``, so many rows a call; N must be a multiple of `batch_size`."""

    @partial(jax.jit, compiler_options=compiler_options())
    def decode(arrays: ModelArrays, batch: Features) -> DecodeResult:
        return decoder.find_tokens(Models(models.networks, arrays), batch)

    results = [
        jax.device_get(decode(models.arrays, features[first : first + batch_size]))
        for first in range(0, len(features), batch_size)
    ]
    return Decoded(
        tokens=np.concatenate([result.tokens for result in results]),
        rounds=np.concatenate([result.rounds for result in results]),
        accepted=sum(int(result.acceptance.accepted.sum()) for result in results),
        proposed=sum(int(result.acceptance.proposed.sum()) for result in results),
    )


def logit_gaps(
    models: LoadedModels, features: Features, tokens: NDArray[np.int32], batch_size: int
) -> NDArray[np.float32]:
    """Difference of the two largest logits of every digit, given the coarser digits of `tokens`: ``[N, C, D, L]``."""

    @jax.jit
    def gaps(arrays: ModelArrays, batch: Features, tokens: jax.Array) -> Float[Array, "B C D L"]:
        bound = Models(models.networks, arrays)
        start = jnp.zeros(tokens.shape[:-1], jnp.int32)
        logits = bound.main(bound.prepare(batch), tokens, start, num_layers=tokens.shape[-1])
        best, second = jnp.moveaxis(jax.lax.top_k(logits, 2)[0], -1, 0)
        return best - second

    return np.concatenate(
        [
            np.asarray(gaps(models.arrays, features[first : first + batch_size], tokens[first : first + batch_size]))
            for first in range(0, len(features), batch_size)
        ]
    )


def compare(reference: Decoded, other: Decoded, gaps: NDArray[np.float32]) -> Differences:
    """How `other` differs from `reference`, whose digits have these `gaps` (`logit_gaps`)."""
    differs = reference.tokens != other.tokens
    is_coarsest = differs & (np.cumsum(differs, axis=-1) == 1)
    return Differences(
        chunks=len(differs),
        digits=differs.size,
        different_chunks=int(differs.any(axis=(1, 2, 3)).sum()),
        different_digits=int(differs.sum()),
        largest_gap=float(gaps[is_coarsest].max()) if differs.any() else None,
    )


def require_column_local(models: LoadedModels, features: Features) -> None:
    """Compares what the main head declares of itself with what it does, on one row of `features` ``[N, C, F]``.

    Raises:
        ValueError: it declares that it is `column_local`, and a column's logits change with other columns.
    """

    @jax.jit
    def sees_others(arrays: ModelArrays, row: Features) -> Bool[Array, ""]:
        bound = Models(models.networks, arrays)
        num_levels, key = bound.num_levels, jax.random.key(0)
        return sees_other_columns(bound.prepare(row), bound.main, bound.code_shape, len(row), num_levels, key)

    head = models.networks.main
    assert head is not None, "models of a decoder without a main head"
    if head.column_local and bool(sees_others(models.arrays, features[:1])):
        raise ValueError(
            f"{type(head).__name__} declares column_local, but the logits of a column change with digits or positions "
            "of others: speculative decoding would find other tokens. Declare column_local = False and decode by "
            "autoregressive, or leave other columns' digits out of what it reads"
        )


def check_against_autoregressive(
    decoder: TokenDecoder, models: LoadedModels, features: Features, batch_size: int
) -> tuple[Differences, Decoded]:
    """Decodes `features` by `decoder` and layer by layer; how they differ, and what `decoder` found.

    Raises:
        ValueError: the main head is not what it declares (`require_column_local`).
    """
    require_column_local(models, features)
    reference = decode_all(Autoregressive(), models, features, batch_size)
    found = decode_all(decoder, models, features, batch_size)
    return compare(reference, found, logit_gaps(models, features, reference.tokens, batch_size)), found


def check_lossless_decoders(
    models: LoadedModels, features: Features, batch_sizes: Sequence[int]
) -> Iterator[LosslessCheck]:
    """Every lossless decoder at every batch size, beside autoregressive decoding itself in batches of another size.

    Raises:
        ValueError: the main head is not what it declares (`require_column_local`).
    """
    require_column_local(models, features)
    references: dict[int, Decoded] = {}
    for batch_size in batch_sizes:
        reference = references[batch_size] = decode_all(Autoregressive(), models, features, batch_size)
        gaps = logit_gaps(models, features, reference.tokens, batch_size)
        near_ties = {limit: int((gaps < limit).sum()) for limit in TOLERANCES}
        others = [("autoregressive", batch_sizes[0], references[batch_sizes[0]])] if len(references) > 1 else []
        others += [(each.name, batch_size, decode_all(each, models, features, batch_size)) for each in LOSSLESS]
        for name, size, found in others:
            yield LosslessCheck(
                decoder=name,
                batch_size=size,
                against=f"autoregressive, {batch_size} rows a call",
                differences=compare(reference, found, gaps),
                rounds_mean=float(found.rounds.mean()),
                near_ties=near_ties,
            )
