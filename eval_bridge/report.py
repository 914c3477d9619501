"""``report.html``: an evaluation for a person to read, in one file that needs no network."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jinja2

from eval_bridge.episode_log import EpisodeRecord, LogContents
from eval_bridge.interface import FUSED_STAGE, PASS_STAGES, PIPELINE_STAGES
from eval_bridge.latency import SUM_OF_STAGES, Latency
from eval_bridge.summary import Summary, write_atomically
from eval_bridge.video import contact_sheet, poster

EMBEDDED_VIDEO_LIMIT = 30 * 2**20
"""Bytes of video up to which they are embedded; beyond, the report refers to the folder beside it."""

_STAGE_TITLES = {
    "preprocess": "Preprocess",
    "backbone": "Backbone",
    "decoder": "Decoder",
    "detokenize": "Detokenize",
    SUM_OF_STAGES: "Sum of the stages",
    FUSED_STAGE: "Chunk, fused (deployed)",
    "draft_pass": "One draft pass",
    "verify_pass": "One verify pass",
    "step_pass": "One autoregressive step",
}
_DECODER_TITLES = {
    "l1_regression": "L1 regression, no tokens",
    "autoregressive": "Autoregressive decoding, greedy",
    "speculative_greedy": "Residual speculative decoding, greedy and lossless",
}


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


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its label, its value as text, and its length and marks as percentages of the axis."""

    label: str
    text: str
    percent: float
    note: str = ""
    marks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Film:
    """A video as the page shows it: where it is, its poster, and its episode."""

    source: str
    poster: str
    record: EpisodeRecord


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


def write_report(path: Path, summary: Summary, log: LogContents, config: Mapping[str, Any]) -> None:
    """Writes the report; videos are looked for beside it, as the log's records name them.

    Args:
        path: the HTML file.
        config: nested configuration, shown flattened.

    Raises:
        OSError: it could not be written.
        ValueError: a video is damaged.
    """
    write_atomically(path, render_report(summary, log, config, path.parent))


def render_report(summary: Summary, log: LogContents, config: Mapping[str, Any], folder: Path) -> str:
    """The report's HTML; `folder` is the one that the records' video paths are relative to."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("eval_bridge", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    records = [log.episodes[key] for key in sorted(log.episodes)]
    films = _films(records, folder)
    return environment.get_template("report_template.html").render(
        summary=summary,
        suite_title=summary.suite.replace("libero", "LIBERO").replace("_", " "),
        decoder_title=_DECODER_TITLES.get(summary.decoder, summary.decoder),
        records=records,
        median=median,  # Not the mean: the first chunk of a session compiles.
        unresolved=[log.unresolved()[key] for key in sorted(log.unresolved())],
        hero=_hero(records, folder),
        films=films,
        videos_are_embedded=all(film.source.startswith("data:") for film in films),
        tasks=_task_bars(summary),
        layers=_layer_bars(summary, records),
        rounds=_round_bars(records),
        latency=_latency_bars(summary.latency_ms),
        stage_titles=_STAGE_TITLES,
        pipeline_stages=PIPELINE_STAGES,
        repeats=log.latency.repeats if log.latency else 0,
        cost=_measured_cost(summary),
        settings=_flatten(config),
        sessions=log.sessions,
        identity=_flatten(log.identity or {}),
    )


def _measured_cost(summary: Summary) -> CostModel | None:
    """The cost model with the rounds that speculation took here; None for a decoder that drafts nothing."""
    if summary.token_acceptance is None:
        return None
    return cost_model(summary.latency_ms, len(summary.layer_acceptance), summary.rounds_mean)


def _task_bars(summary: Summary) -> list[Bar]:
    return [
        Bar(
            label=task.task.replace("_", " "),
            text="no result yet" if task.success_rate is None else f"{task.successes}/{task.episodes}",
            percent=100 * (task.success_rate or 0.0),
            note=f"task {task.task_index}" + (f", {task.errors} not finished" if task.errors else ""),
            marks=tuple(100 * bound for bound in task.success_interval) if task.episodes else (),
        )
        for task in summary.per_task
    ]


def _layer_bars(summary: Summary, records: Sequence[EpisodeRecord]) -> list[Bar]:
    """Acceptance by layer; none for a decoder that drafts nothing."""
    if summary.token_acceptance is None:
        return []
    proposed = [sum(layer) for layer in zip(*(record.proposed for record in records), strict=True)]
    return [
        Bar(f"L{layer}", "never drafted" if rate is None else f"{100 * rate:.1f} %", 100 * (rate or 0.0), f"{count:,}")
        for layer, (rate, count) in enumerate(zip(summary.layer_acceptance, proposed, strict=True))
    ]


def _round_bars(records: Sequence[EpisodeRecord]) -> list[Bar]:
    """How many chunks took how many rounds; none for a policy without tokens."""
    counts = Counter(value for record in records for value in record.rounds if value)
    total, highest = sum(counts.values()), max(counts.values(), default=0)
    spread = range(min(counts), max(counts) + 1) if counts else range(0)
    return [
        Bar(
            str(value),
            f"{100 * counts[value] / total:.0f} %",
            100 * counts[value] / highest,
            f"{counts[value]} chunks",
        )
        for value in spread
    ]


def _latency_bars(latency: Mapping[str, Latency]) -> list[Bar]:
    """Medians on one axis up to the highest p99 of pipeline and chunk; marks are p90 and p99."""
    names = [name for name in (*PIPELINE_STAGES, SUM_OF_STAGES, FUSED_STAGE, *PASS_STAGES) if name in latency]
    longest = max((latency[name].p99 for name in names), default=1.0)
    return [
        Bar(
            label=name,
            text=f"{latency[name].p50:.2f}",
            percent=100 * latency[name].p50 / longest,
            marks=(100 * latency[name].p90 / longest, 100 * latency[name].p99 / longest),
        )
        for name in names
    ]


def _hero(records: Sequence[EpisodeRecord], folder: Path) -> tuple[EpisodeRecord, list[str]] | None:
    """The first filmed success, or else the first film, as a strip of pictures."""
    filmed = [record for record in records if record.video and (folder / record.video).is_file()]
    if not filmed:
        return None
    chosen = next((record for record in filmed if record.success), filmed[0])
    pictures = contact_sheet(folder / str(chosen.video))
    return chosen, [_data_url(picture, "image/jpeg") for picture in pictures]


def _films(records: Sequence[EpisodeRecord], folder: Path) -> list[Film]:
    paths = [(record, folder / record.video) for record in records if record.video]
    paths = [(record, path) for record, path in paths if path.is_file()]
    embed = sum(path.stat().st_size for _, path in paths) <= EMBEDDED_VIDEO_LIMIT
    return [
        Film(
            source=_data_url(path.read_bytes(), "video/mp4") if embed else str(record.video),
            poster=_data_url(poster(path), "image/jpeg"),
            record=record,
        )
        for record, path in paths
    ]


def _data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _flatten(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in config.items():
        if isinstance(value, Mapping):
            rows += _flatten(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", str(value)))
    return rows
