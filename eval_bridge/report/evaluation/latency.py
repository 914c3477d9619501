"""The report's section on latency, with the cost model of decoding."""

from collections.abc import Mapping
from typing import NamedTuple

from eval_bridge.evaluation.episode_log import LogContents
from eval_bridge.evaluation.summary import Summary
from eval_bridge.policies.interface import FUSED_STAGE, PASS_STAGES, PIPELINE_STAGES, SKIPPED_STAGE
from eval_bridge.policies.latency import SUM_OF_STAGES, Latency
from eval_bridge.report.charts import Bar

_TITLES = {
    "preprocess": "Preprocess",
    "draft": "Draft policy",
    "backbone": "Backbone",
    "decoder": "Decoder",
    "detokenize": "Detokenize",
    SUM_OF_STAGES: "Sum of the stages",
    FUSED_STAGE: "Chunk, fused (deployed)",
    SKIPPED_STAGE: "Chunk without a look",
    "draft_pass": "One draft pass",
    "verify_pass": "One verify pass",
    "step_pass": "One autoregressive step",
}
_TONES = dict.fromkeys((FUSED_STAGE, SKIPPED_STAGE), "accent") | dict.fromkeys(PASS_STAGES, "other")


class CostModel(NamedTuple):
    """Decoding time by the cost model, milliseconds, from the medians of single passes.

    Attributes:
        autoregressive: T_AR = T_backbone + L t_step.
        speculative: T_RSD = T_backbone + rounds (t_draft + t_verify).
        ceiling: T_AR / T_RSD, the speed-up that decoding alone could give; below 1 it is a slow-down.
    """

    backbone: float
    step: float
    draft: float
    verify: float
    layers: int
    rounds: float
    autoregressive: float
    speculative: float
    ceiling: float


class Stage(NamedTuple):
    """A timed stage: its bar, colour and figures; `is_total` for those that cover the whole pipeline."""

    bar: Bar
    tone: str
    latency: Latency
    is_total: bool


class LatencySection(NamedTuple):
    """Stages in order, calls timed of each, and the cost model where a draft was timed."""

    stages: list[Stage]
    repeats: int
    cost: CostModel | None


def latency_section(summary: Summary, log: LogContents) -> LatencySection | None:
    """The section; None where nothing was timed."""
    if log.latency is None or not summary.latency_ms:
        return None
    # The cost model takes the rounds of speculation from here; a decoder that drafts nothing has none.
    rounds = None if summary.token_acceptance is None else summary.rounds_mean
    cost = cost_model(summary.latency_ms, len(summary.layer_acceptance), rounds)
    return LatencySection(_stages(summary.latency_ms), log.latency.repeats, cost)


def cost_model(latency: Mapping[str, Latency], layers: int, rounds: float | None) -> CostModel | None:
    """The cost model, or None where a pass was not timed or no tokens were decoded."""
    if not {"backbone", *PASS_STAGES} <= set(latency) or not rounds:
        return None
    backbone, draft, verify, step = (latency[name].p50 for name in ("backbone", *PASS_STAGES))
    autoregressive = backbone + layers * step
    speculative = backbone + rounds * (draft + verify)
    return CostModel(
        backbone, step, draft, verify, layers, rounds, autoregressive, speculative, autoregressive / speculative
    )


def _stages(latency: Mapping[str, Latency]) -> list[Stage]:
    """Medians on one axis up to the highest p99; marks are p90 and p99."""
    order = (*PIPELINE_STAGES, SUM_OF_STAGES, FUSED_STAGE, SKIPPED_STAGE, *PASS_STAGES)
    names = [name for name in order if name in latency]
    longest = max(latency[name].p99 for name in names)
    return [
        Stage(
            Bar(
                label=_TITLES[name],
                text=f"{latency[name].p50:.2f}",
                percent=100 * latency[name].p50 / longest,
                marks=(100 * latency[name].p90 / longest, 100 * latency[name].p99 / longest),
            ),
            _TONES.get(name, "quiet"),
            latency[name],
            name in (FUSED_STAGE, SKIPPED_STAGE, SUM_OF_STAGES),
        )
        for name in names
    ]
