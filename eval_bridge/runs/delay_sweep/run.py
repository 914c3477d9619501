"""Evaluates the cells of a sweep, several processes at a time."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

from eval_bridge.runs.job_progress import JobProgress
from eval_bridge.runs.stage_job import run_job
from eval_bridge.runs.stage_process import PipelineStage, StageFailure
from eval_bridge.runs.stop_request import StopRequest


def run_cells(
    stages: Mapping[str, PipelineStage], logs: Path, parallel: int, stop: StopRequest, terminal: TextIO
) -> list[str]:
    """Runs what is not finished of `stages`; returns what failed, a message each. A failure stops no other cell.

    Args:
        stages: the cells' evaluations, by what to call them.
        logs: folder of their logs.
        parallel: so many at the same time.
        stop: asks what runs to save and end.
        terminal: where to say what happens.

    Raises:
        Stopped: a stop was requested; what ran has saved what it has.
        OSError: a log cannot be written.
    """
    progress = JobProgress(terminal, len(stages))

    def attempt(label: str, stage: PipelineStage) -> str | None:
        """Says what went wrong."""
        try:
            run_job(stage, label, logs, stop, progress)
        except StageFailure as failure:
            progress.say(message := f"{label}: {failure}")
            return message
        return None

    try:
        with ThreadPoolExecutor(parallel, thread_name_prefix="cell") as pool:
            running = [pool.submit(attempt, label, stage) for label, stage in stages.items()]
            outcomes = [each.result() for each in running]
    finally:
        progress.close()
    return [message for message in outcomes if message is not None]
