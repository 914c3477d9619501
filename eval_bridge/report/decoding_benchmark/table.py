"""The benchmark of decoders as tables for a terminal, one a batch size."""

from collections.abc import Callable
from typing import Any

from eval_bridge.decoding_benchmark.rows import Row
from eval_bridge.report.markdown import markdown_table

MISSING = "-"

COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("decoder, ms", lambda row: number(row.decoder_ms_p50)),
    ("speed-up (ceiling)", lambda row: with_ceiling(row.speedup_decoder, row.ceiling_decoder)),
    ("chunk, ms", lambda row: number(row.chunk_ms_expected)),
    ("speed-up (ceiling)", lambda row: with_ceiling(row.speedup_chunk, row.ceiling)),
    ("p99 of chunk", lambda row: number(row.stages_ms["chunk"].p99) if "chunk" in row.stages_ms else MISSING),
    ("rounds", lambda row: number(row.rounds)),
    ("tokens accepted", lambda row: percent(row.token_acceptance)),
    ("layers a round", lambda row: number(row.acceptance_length)),
    ("looked", lambda row: percent(row.looked)),
    ("compiling, s", lambda row: number(row.compile_s, ".1f")),
)
"""What is told of a row, but for its name."""


def terminal_table(results: dict[str, Any]) -> str:
    """The main figures, a line a decoder, and what was not measured."""
    parts = []
    for batch, rows in by_batch(results).items():
        lines = [[row.label, *(write(row) for _, write in COLUMNS)] for row in rows]
        parts.append(markdown_table([f"batch {batch}", *(name for name, _ in COLUMNS)], lines))
    empty = ", ".join(f"{batch}: {each['decoder']['p50']:.3f} ms" for batch, each in results["empty_ms"].items())
    source = results["inputs"]["source"]
    parts.append(f"{results['device']}; medians, on {source}; an empty call with a decoder's arguments: {empty}")
    parts += [f"not run: {each['decoder']} {each['settings']}: {each['reason']}" for each in results["not_run"]]
    return "\n\n".join(parts)


def by_batch(results: dict[str, Any]) -> dict[int, list[Row]]:
    """The rows by their batch size."""
    rows = [Row.from_json(content) for content in results["rows"]]
    return {batch: [row for row in rows if row.batch == batch] for batch in dict.fromkeys(row.batch for row in rows)}


def number(value: float | None, form: str = ".3g") -> str:
    """A number with three digits; a dash for none."""
    return MISSING if value is None else f"{value:{form}}"


def percent(value: float | None) -> str:
    """A share; a dash for none."""
    return MISSING if value is None else f"{value:.1%}"


def with_ceiling(speedup: float | None, ceiling: float | None) -> str:
    """A speed-up, and in parentheses what single passes allow."""
    if speedup is None:
        return MISSING
    return f"{speedup:.3g}x" if ceiling is None else f"{speedup:.3g}x ({ceiling:.3g}x)"
