"""Trains and judges the trials of an ablation."""

import io
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TextIO

from eval_bridge.runs.ablation.trials import Trial
from eval_bridge.runs.stage_process import PipelineStage, StageFailure, run_stage
from eval_bridge.runs.stop_request import Stopped, StopRequest
from rsd_jax.run_folder import LOG_FOLDER


def run_trials(trials: Sequence[Trial], parallel_evaluations: int, stop: StopRequest, terminal: TextIO) -> list[str]:
    """Trains and evaluates what is missing of `trials`; returns what failed, a message each.

    Args:
        trials: in order.
        parallel_evaluations: evaluations at the same time, beside a training.
        stop: asks what runs to save and end.
        terminal: where to say what happens; it has one line of progress, which is the training's.

    Raises:
        ValueError: a trial's folder holds another policy; nothing was started.
        Stopped: a stop was requested; what ran has saved what it has.
        OSError: a folder cannot be written.
    """
    for trial in trials:
        trial.prepare()
    failures: list[str] = []
    evaluations: list[tuple[Trial, Future[None]]] = []
    with ThreadPoolExecutor(parallel_evaluations, thread_name_prefix="evaluation") as pool:
        for trial in trials:
            try:
                _run(trial, trial.training, stop, terminal, terminal)
            except StageFailure as failure:
                failures.append(_report(trial, failure, terminal))
                continue
            for stage in trial.evaluations:
                evaluations.append((trial, pool.submit(_run, trial, stage, stop, terminal, io.StringIO())))
        for trial, evaluation in evaluations:
            try:
                evaluation.result()
            except StageFailure as failure:
                failures.append(_report(trial, failure, terminal))
    return failures


def _run(trial: Trial, stage: PipelineStage, stop: StopRequest, terminal: TextIO, progress: TextIO) -> None:
    label = f"{trial.name}, seed {trial.seed}, {stage.name}:"
    if stage.is_finished(stage.output):
        print(f"{label} already there", file=terminal, flush=True)
        return
    if stop.number is not None:
        raise Stopped(stop.number, f"before {label[:-1]}")
    print(f"{label} {stage}", file=terminal, flush=True)
    logs = trial.folder / LOG_FOLDER
    logs.mkdir(exist_ok=True)
    run_stage(stage, logs / f"{stage.name}.log", progress, stop)
    print(f"{label} finished", file=terminal, flush=True)


def _report(trial: Trial, failure: StageFailure, terminal: TextIO) -> str:
    message = f"{trial.name}, seed {trial.seed}: {failure}"
    print(message, file=terminal, flush=True)
    return message
