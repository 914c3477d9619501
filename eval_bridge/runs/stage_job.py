"""One stage among several that run at the same time: skipped where it is done, told in one line with the others."""

from pathlib import Path

from eval_bridge.runs.job_progress import JobProgress
from eval_bridge.runs.stage_process import PipelineStage, run_stage
from eval_bridge.runs.stop_request import Stopped, StopRequest


def run_job(stage: PipelineStage, label: str, logs: Path, stop: StopRequest, progress: JobProgress) -> None:
    """Runs a stage if it is not finished.

    Args:
        stage: what to run. label: what to call it.
        logs: folder of its log, ``NAME.log``.
        stop: asks it to save and end.
        progress: where to say what happens.

    Raises:
        StageFailure: it failed. Stopped: a stop was requested, before it began or while it ran.
        OSError: the log cannot be written.
    """
    if stage.is_finished(stage.output):
        progress.skip(label)
        return
    if stop.number is not None:
        raise Stopped(stop.number, f"before {label}")
    log = logs / f"{stage.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with progress.running(label) as last_line:
        run_stage(stage, log, last_line, stop)
