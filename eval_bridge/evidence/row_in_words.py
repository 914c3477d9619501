"""The figures of an evaluation's row, in the form that they have in every table."""

from eval_bridge.evidence.figures_in_words import write_chunk_time, write_success
from eval_bridge.evidence.fine_grained import Pooled
from eval_bridge.evidence.suite_rows import EvaluationRow
from eval_bridge.evidence.together import Together


def success_of(row: EvaluationRow | Together | Pooled) -> str:
    """Over all tasks."""
    return write_success(row.successes, row.episodes, row.interval, digits=1)


def fine_grained_of(row: EvaluationRow | Together) -> str:
    """Of the suite's fine-grained tasks; a dash where it has none."""
    return "-" if row.fine_grained is None else success_of(row.fine_grained)


def chunk_time_of(row: EvaluationRow) -> str:
    """Of the deployed call; a dash where it was not timed."""
    if row.chunk_ms_p50 is None or row.chunk_ms_p99 is None:
        return "-"
    return write_chunk_time(row.chunk_ms_p50, row.chunk_ms_p99)
