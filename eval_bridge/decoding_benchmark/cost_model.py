"""What decoders could take at best, from single passes: the ceiling beside a measured speed-up.

T_AR = T_backbone + L t_step; T_RSD = T_backbone + rounds (t_draft + t_verify); of a cascade
T_draft + looked (T_backbone + rounds t_verify). What a call costs that computes nothing is paid once a call, so that
passes count without it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import (
    Autoregressive,
    Certified,
    FixedPoint,
    L1Regression,
    OnePass,
    SpeculativeGreedy,
    SpeculativeSampling,
)
from eval_bridge.policies.early_exit import EarlyExit
from eval_bridge.policies.interface import PASS_STAGES
from eval_bridge.policies.latency import Latency


class Passes(NamedTuple):
    """Medians of one batch size, in milliseconds, without what an empty call costs.

    Attributes:
        backbone: of the policy.
        draft, verify, step: single passes of the heads (`PASS_STAGES`); None where none was timed.
        num_layers: L.
    """

    backbone: float
    draft: float | None
    verify: float | None
    step: float | None
    num_layers: int

    @classmethod
    def of(cls, latencies: Mapping[str, Latency], empty: Latency, num_layers: int) -> "Passes":
        """From what was measured, by stage, and the empty call."""

        def alone(stage: str) -> float | None:
            return max(latencies[stage].p50 - empty.p50, 0.0) if stage in latencies else None

        draft, verify, step = map(alone, PASS_STAGES)
        return cls(alone("backbone") or 0.0, draft, verify, step, num_layers)


class Ceiling(NamedTuple):
    """Speed-ups against layer-by-layer decoding that single passes allow; None where they do not tell."""

    decoder: float | None
    chunk: float | None


def ceiling(
    decoder: Decoder, passes: Passes, rounds: float, looked: float = 1.0, draft_policy: float | None = None
) -> Ceiling:
    """What `decoder` could gain at best.

    Args:
        decoder: with its settings.
        passes: measured beside it.
        rounds: passes of the main head a call, of its slowest row; of a cascade a look.
        looked: share of calls in which the main backbone ran.
        draft_policy: milliseconds of a cascade's draft, without what an empty call costs.
    """
    if passes.step is None:
        return Ceiling(None, None)
    autoregressive = passes.num_layers * passes.step
    own = _decoder_ms(decoder, passes, rounds)
    if own is None:
        return Ceiling(None, None)
    if isinstance(decoder, CascadeDecoder):
        if draft_policy is None:
            return Ceiling(None, None)
        # An early exit's draft is the first part of the backbone, which a look does not compute again.
        rest = passes.backbone - draft_policy if isinstance(decoder, EarlyExit) else passes.backbone
        chunk = draft_policy + looked * (max(rest, 0.0) + own)
    else:
        chunk = passes.backbone + own
    return Ceiling(_ratio(autoregressive, own), _ratio(passes.backbone + autoregressive, chunk))


def _decoder_ms(decoder: Decoder, passes: Passes, rounds: float) -> float | None:
    """The decoder's own part; None where its passes are of a kind that was not timed."""
    match decoder:
        case L1Regression():
            return 0.0
        case Autoregressive() if passes.step is not None:
            return passes.num_layers * passes.step
        case FixedPoint() | OnePass() | CascadeDecoder() if passes.verify is not None:
            return rounds * passes.verify
        case SpeculativeGreedy(scores_all_layers=False):
            return None
        case SpeculativeGreedy() | SpeculativeSampling() | Certified():
            if passes.draft is not None and passes.verify is not None:
                return rounds * (passes.draft + passes.verify)
    return None


def _ratio(reference: float, time: float) -> float | None:
    return reference / time if time > 0 else None
