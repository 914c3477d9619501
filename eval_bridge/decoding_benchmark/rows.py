"""A row of the benchmark, as ``results/decoding_DEVICE.json`` holds it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

from eval_bridge.policies.latency import Latency


@dataclass(frozen=True)
class Row:
    """One decoder with its settings at one batch size; None where a figure means nothing.

    Attributes:
        decoder: its name. settings: as `read_decoder` takes them. batch: rows of a call.
        stages_ms: percentiles of every stage that the decoder has, in milliseconds.
        decoder_ms_p50: of the stage between features and tokens; of ``l1_regression``, between features and actions.
        chunk_ms_p50: of the fused call, from frames as rendered to actions on the host.
        chunk_ms_expected: the same; of a cascade the medians of a looking and of a skipping call, weighted by
            `looked_calls`: the median of both kinds together would tell of the more frequent one alone.
        rounds: passes of the main head a call, of its slowest row.
        token_acceptance: draft tokens accepted / proposed, informative digits only. layer_acceptance: by layer.
        acceptance_length: layers that a column advances in a round, as vLLM defines it (`DecodeTrace`).
        digits_skipped: share of the informative digits that a certificate left out.
        looked: share of rows for which the main backbone was needed. looked_calls: of calls in which it ran.
        tokens_equal: share of chunks with the baseline's very tokens; for decoders that promise them.
        speedup_decoder, speedup_chunk: the baseline's time at this batch size over this one's; the latter of
            `chunk_ms_expected`.
        ceiling, ceiling_decoder: what single passes allow (`cost_model`), of the whole chunk and of the decoder alone.
        compile_s: seconds until decoder and fused call had run once, tracing and compiling beside all other decoders.
    """

    decoder: str
    settings: str
    batch: int
    stages_ms: Mapping[str, Latency]
    decoder_ms_p50: float
    chunk_ms_p50: float | None = None
    chunk_ms_expected: float | None = None
    rounds: float | None = None
    token_acceptance: float | None = None
    layer_acceptance: tuple[float | None, ...] | None = None
    acceptance_length: float | None = None
    digits_skipped: float | None = None
    looked: float | None = None
    looked_calls: float | None = None
    tokens_equal: float | None = None
    speedup_decoder: float | None = None
    speedup_chunk: float | None = None
    ceiling: float | None = None
    ceiling_decoder: float | None = None
    compile_s: float | None = None

    @property
    def label(self) -> str:
        """Name and settings."""
        return f"{self.decoder} {self.settings}".strip()

    def to_json(self) -> dict[str, Any]:
        """Every key, as JSON values."""
        return {**asdict(self), "stages_ms": latencies_to_json(self.stages_ms)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Row":
        """Inverse of `to_json`.

        Raises:
            TypeError: a key that is no field, or a field without a value.
        """
        layers = content["layer_acceptance"]
        return cls(
            **{
                **content,
                "stages_ms": latencies_from_json(content["stages_ms"]),
                "layer_acceptance": None if layers is None else tuple(layers),
            }
        )


def latencies_to_json(latencies: Mapping[str, Latency]) -> dict[str, dict[str, float]]:
    """Percentiles by stage, as JSON values."""
    return {stage: latency._asdict() for stage, latency in latencies.items()}


def latencies_from_json(content: Mapping[str, Mapping[str, float]]) -> dict[str, Latency]:
    """Inverse of `latencies_to_json`."""
    return {stage: Latency(**values) for stage, values in content.items()}


class BatchMeasurement(NamedTuple):
    """What was measured at one batch size.

    Attributes:
        rows: one a decoder. empty: calls that compute nothing. passes: single passes of the heads.
    """

    rows: list[Row]
    empty: dict[str, Latency]
    passes: dict[str, Latency]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        rows = [row.to_json() for row in self.rows]
        return {"rows": rows, "empty": latencies_to_json(self.empty), "passes": latencies_to_json(self.passes)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        empty, passes = (latencies_from_json(content[name]) for name in ("empty", "passes"))
        return cls([Row.from_json(row) for row in content["rows"]], empty, passes)
