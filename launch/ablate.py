"""Trains and judges variants of the policy on the demonstrations and the tokenizer of one run.

    python -m launch.ablate --config configs/ablations.py --config.run_dir=runs/NAME

Policies are trained one after the other while those that are finished are evaluated by `launch.evaluate`, from random
resets: the evaluation states of a benchmark are refused. Each has its folder, ``RUN_DIR/ablations/POLICY/seed_SEED/``,
with logs of both commands. What is complete is skipped, so that the same command goes on after an interruption. A
policy that fails is reported at the end, with its log, and the exit status is 1; the others go on.

The results of all complete policies are in ``config.out``, and as a table beside it and on standard output.
"""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

from ml_collections import ConfigDict

from eval_bridge.runs.ablation.results import collect_results, markdown_table
from eval_bridge.runs.ablation.trials import Trial, chosen_names, plan_trials
from eval_bridge.runs.stage_process import PipelineStage, StageFailure, run_stage
from eval_bridge.runs.stop_request import Stopped, StopRequest
from launch.config_flags import run
from rsd_jax.atomic_files import write_atomically, write_json

LOG_FOLDER = "logs"


class StopRequestForAll(StopRequest):
    """A `StopRequest` with several processes in its care, from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: set[int] = set()

    @contextlib.contextmanager
    def caring_for(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Passes requests on to `process` too, the leader of a group, one that came while it started included."""
        self._groups.add(process.pid)
        if self.number is not None:
            _terminate(process.pid)
        try:
            yield
        finally:
            self._groups.discard(process.pid)

    def _forward(self) -> None:
        for group in tuple(self._groups):
            _terminate(group)


def _terminate(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of them have ended
        os.killpg(group, signal.SIGTERM)


def run_trials(trials: Sequence[Trial], parallel_evaluations: int, stop: StopRequest) -> list[str]:
    """Trains and evaluates what is missing of `trials`; returns what failed, a message each.

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
                _run(trial, trial.training, stop, sys.stdout)
            except StageFailure as failure:
                failures.append(_report(trial, failure))
                continue
            if trial.evaluation is not None:
                # Without progress: the terminal has one line, which is the training's.
                evaluations.append((trial, pool.submit(_run, trial, trial.evaluation, stop, io.StringIO())))
        for trial, evaluation in evaluations:
            try:
                evaluation.result()
            except StageFailure as failure:
                failures.append(_report(trial, failure))
    return failures


def _run(trial: Trial, stage: PipelineStage, stop: StopRequest, terminal: TextIO) -> None:
    label = f"{trial.name}, seed {trial.seed}, {stage.name}:"
    if stage.is_finished(stage.output):
        print(f"{label} already there", flush=True)
        return
    if stop.number is not None:
        raise Stopped(stop.number, f"before {label[:-1]}")
    print(f"{label} {stage}", flush=True)
    logs = trial.folder / LOG_FOLDER
    logs.mkdir(exist_ok=True)
    run_stage(stage, logs / f"{stage.name}.log", terminal, stop)
    print(f"{label} finished", flush=True)


def _report(trial: Trial, failure: StageFailure) -> str:
    message = f"{trial.name}, seed {trial.seed}: {failure}"
    print(message, flush=True)
    return message


def main(config: ConfigDict) -> None:
    """Runs the ablations that `config` describes, writes and prints their results; exits with 1 if one failed."""
    trials = plan_trials(config)
    chosen = [trial for trial in trials if trial.name in chosen_names(config)]
    out = Path(config.out)
    if out.suffix != ".json":
        raise ValueError(f"out={config.out!r} must end in .json; the table gets the same name with .md")
    try:
        with StopRequestForAll() as stop:
            failures = run_trials(chosen, config.parallel_evaluations, stop)
    except Stopped as stopped:
        print(f"{stopped}; the same command goes on", flush=True)
        sys.exit(stopped.exit_status)
    results = collect_results(config, trials)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, results)
    table = markdown_table(results, out)
    write_atomically(out.with_suffix(".md"), table)
    print(f"\n{table}\n{out}")
    if failures:
        sys.exit("error: " + "\n".join([f"{len(failures)} of {len(chosen)} policies failed", *failures]))


if __name__ == "__main__":
    run(main)
