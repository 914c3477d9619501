"""The page of the benchmark of decoders: plots and tables in one file that needs no network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.decoding_benchmark.rows import Row
from eval_bridge.policies.interface import FUSED_STAGE, PASS_STAGES, PIPELINE_STAGES
from eval_bridge.policies.latency import SUM_OF_STAGES, Latency
from eval_bridge.report.charts import Bar
from eval_bridge.report.decoding_benchmark.table import COLUMNS, MISSING, by_batch, number, with_ceiling
from eval_bridge.report.page import render_template
from rsd_jax.atomic_files import write_atomically


class BatchView(NamedTuple):
    """What the page shows of one batch size.

    Attributes:
        batch: rows of a call. repeats: timed turns of each stage.
        decoder, chunk: medians as bars; marks are the 90th and the 99th percentile.
        decoder_speedup, chunk_speedup: as bars; the mark is the ceiling.
        table: cells of `COLUMNS`, behind name and settings. stages: medians of each stage.
        floor: of empty calls and single passes, name and value.
    """

    batch: int
    repeats: int
    decoder: list[Bar]
    chunk: list[Bar]
    decoder_speedup: list[Bar]
    chunk_speedup: list[Bar]
    table: list[tuple[str, str, list[str]]]
    stages: list[tuple[str, str, list[str]]]
    floor: list[tuple[str, str]]


def write_page(results: dict[str, Any], page: Path) -> None:
    """Writes the page; after a failure an earlier page is still there, and nothing half-written.

    Args:
        results: what `run_benchmark` returns.
        page: the HTML file.

    Raises:
        OSError: it could not be written.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, render_page(results))


def render_page(results: dict[str, Any]) -> str:
    """The page's HTML, the same for the same results."""
    batches = by_batch(results)
    stages = _stage_names([row for rows in batches.values() for row in rows])
    return render_template(
        "decoding_benchmark.html",
        {
            "device": results["device"],
            "baseline": results["baseline"],
            "inputs": results["inputs"],
            "views": [_view(batch, rows, results, stages) for batch, rows in batches.items()],
            "columns": [name for name, _ in COLUMNS],
            "stages": [name.replace("_", " ") for name in stages],
            "not_run": results["not_run"],
            "provenance": _provenance(results),
        },
    )


def _view(batch: int, rows: Sequence[Row], results: dict[str, Any], stages: Sequence[str]) -> BatchView:
    measured = {**results["passes_ms"].get(str(batch), {})}
    measured |= {f"empty_{name}": each for name, each in results["empty_ms"].get(str(batch), {}).items()}
    return BatchView(
        batch=batch,
        repeats=results["repeats"][str(batch)],
        decoder=_latency_bars(rows, "decoder", lambda row: row.decoder_ms_p50),
        chunk=_latency_bars(rows, FUSED_STAGE, lambda row: row.chunk_ms_expected),
        decoder_speedup=_speedup_bars(rows, lambda row: (row.speedup_decoder, row.ceiling_decoder)),
        chunk_speedup=_speedup_bars(rows, lambda row: (row.speedup_chunk, row.ceiling)),
        table=[(row.decoder, row.settings, [write(row) for _, write in COLUMNS]) for row in rows],
        stages=[(row.decoder, row.settings, [_median(row.stages_ms.get(stage)) for stage in stages]) for row in rows],
        floor=[(name.replace("_", " "), f"{each['p50']:.3f} ms") for name, each in measured.items()],
    )


def _latency_bars(rows: Sequence[Row], stage: str, value: Callable[[Row], float | None]) -> list[Bar]:
    """Medians on one axis up to the highest 90th percentile: a single slow call must not press all bars together."""
    shown = [(row, value(row)) for row in rows]
    highest = max((row.stages_ms[stage].p90 for row, found in shown if found is not None), default=1.0)
    return [
        Bar(
            label=row.decoder,
            note=row.settings,
            text=f"{number(found)} ms",
            percent=min(100 * found / highest, 100.0),
            marks=tuple(100 * each / highest for each in row.stages_ms[stage][1:]),
        )
        for row, found in shown
        if found is not None
    ]


def _speedup_bars(rows: Sequence[Row], value: Callable[[Row], tuple[float | None, float | None]]) -> list[Bar]:
    shown = [(row, *value(row)) for row in rows]
    # Ceilings can be far away where passes cost next to nothing; the axis is for what was measured.
    highest = 1.5 * max((speedup for _, speedup, _ in shown if speedup is not None), default=1.0)
    return [
        Bar(
            label=row.decoder,
            note=row.settings,
            text=with_ceiling(speedup, ceiling),
            percent=100 * speedup / highest,
            marks=() if ceiling is None else (min(100 * ceiling / highest, 100.0),),
        )
        for row, speedup, ceiling in shown
        if speedup is not None
    ]


def _stage_names(rows: Sequence[Row]) -> list[str]:
    """All stages of all rows: those of the pipeline in order, their sum, the fused calls, any others."""
    found = dict.fromkeys(stage for row in rows for stage in row.stages_ms)
    first = [stage for stage in (*PIPELINE_STAGES, SUM_OF_STAGES, FUSED_STAGE) if stage in found]
    return [*first, *(stage for stage in found if stage not in first and stage not in PASS_STAGES)]


def _median(latency: Latency | None) -> str:
    return MISSING if latency is None else number(latency.p50)


def _provenance(results: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("device", results["device"]),
        ("checkpoint", f"{results['checkpoint']['run']}, policy {results['checkpoint']['policy_hash'][:16]}"),
        ("observations", f"{results['inputs']['observations']}, {results['inputs']['source']}"),
        ("calls of a turn, of which the first is dropped", str(results["calls_a_turn"])),
        ("timed turns by batch size", ", ".join(f"{batch}: {each}" for batch, each in results["repeats"].items())),
        ("commit", results["commit"] or "unknown"),
        ("versions", ", ".join(f"{name} {version}" for name, version in results["versions"].items())),
    ]
