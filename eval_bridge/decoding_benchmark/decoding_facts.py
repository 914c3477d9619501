"""What decoding took, beside its time: counted over all calls of a batch size, without a clock."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from eval_bridge.policies.interface import PolicyOutput
from rsd_jax.decoding import DecodeResult


class DecodingFacts(NamedTuple):
    """Figures of `Row` that no clock gives; None where they mean nothing."""

    rounds: float | None = None
    token_acceptance: float | None = None
    layer_acceptance: tuple[float | None, ...] | None = None
    acceptance_length: float | None = None
    digits_skipped: float | None = None
    looked: float = 1.0
    looked_calls: float = 1.0


class LookFacts(NamedTuple):
    """Of a cascade's calls: the figures of `Row`, and passes of the main head a call that looked."""

    facts: DecodingFacts
    rounds_of_look: float


def facts_of_tokens(results: Sequence[DecodeResult], num_informative: int) -> DecodingFacts:
    """Of calls of a decoder of tokens, each with what it found for its rows.

    Args:
        results: one a call.
        num_informative: digits of a chunk that can take more than one level.
    """
    calls: list[DecodeResult] = jax.device_get(list(results))
    accepted, proposed, skipped = (
        np.concatenate(counts).sum(axis=(0, 2))
        for counts in zip(
            *((call.acceptance.accepted, call.acceptance.proposed, call.trace.skipped) for call in calls), strict=True
        )
    )
    drafts = sum(int(call.trace.drafts.sum()) for call in calls)
    kept = sum(int(call.trace.kept.sum()) for call in calls)
    rows = sum(len(call.rounds) for call in calls)
    return DecodingFacts(
        rounds=float(np.mean([call.rounds.max() for call in calls])),
        token_acceptance=_ratio(int(accepted.sum()), int(proposed.sum())),
        layer_acceptance=tuple(map(_ratio, accepted.tolist(), proposed.tolist())) if proposed.any() else None,
        # `DecodeTrace.mean_acceptance_length`, over all calls.
        acceptance_length=1 + kept / drafts if drafts else None,
        digits_skipped=float(skipped.sum() / (rows * num_informative)),
    )


def facts_of_looks(calls: Sequence[Sequence[PolicyOutput]]) -> LookFacts:
    """Of calls of a cascade, each with the outputs of its rows."""
    looked = np.array([[output.looked for output in outputs] for outputs in calls])
    rounds = np.array([max(output.rounds for output in outputs) for outputs in calls])
    ran = looked.any(axis=1)
    return LookFacts(
        DecodingFacts(rounds=float(rounds.mean()), looked=float(looked.mean()), looked_calls=float(ran.mean())),
        float(rounds[ran].mean()) if ran.any() else 0.0,
    )


def equal_chunks(tokens: Sequence[NDArray[np.int32]], reference: Sequence[NDArray[np.int32]]) -> float:
    """Share of chunks whose tokens ``[B, C, D, L]``, a call an array, are those of `reference`."""
    found, expected = np.concatenate(tokens), np.concatenate(reference)
    return float((found == expected).all(axis=(1, 2, 3)).mean())


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
