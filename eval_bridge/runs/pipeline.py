"""Runs the stages of a run that are not finished, in order."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TextIO

from eval_bridge.evaluation.summary import describe_acceptance, describe_success
from eval_bridge.runs.run_record import add_seconds, forget_seconds, read_seconds
from eval_bridge.runs.stage_process import PipelineStage, run_stage
from eval_bridge.runs.stop_request import Stopped, StopRequest
from eval_bridge.statistics.intervals import Interval
from rsd_jax.content_check import read_checked_json
from rsd_jax.folder_lock import in_use, marked_inside
from rsd_jax.run_folder import (
    HEADLINE,
    LOG_FOLDER,
    REPLACED_FOLDER,
    REPORT_NAME,
    SUMMARY_NAME,
    evaluation_folder,
    of_suite,
)
from rsd_jax.stored_models.random_weights import RANDOM_WEIGHTS, in_red


def run_pipeline(
    stages: Sequence[PipelineStage], run_dir: Path, terminal: TextIO, from_stage: str = "", until_stage: str = ""
) -> None:
    """Runs the stages that are not finished, in order, and says so.

    Args:
        stages: all stages, each behind those that it reads from.
        run_dir: folder of the run, for its record, logs and replaced outputs.
        terminal: where to say so, and to show progress.
        from_stage: name of a stage that is made anew, with all that comes from it; empty for none.
        until_stage: name of the last stage to run; empty for all.

    Raises:
        ValueError: as `check_range`.
        StageFailure: a stage failed; the later ones were not started.
        Stopped: SIGTERM or SIGINT arrived; the stage that ran has saved what it has.
        InUseError: another process writes to what would have to be made anew.
        OSError: `run_dir` cannot be written.
    """
    end = check_range(stages, from_stage, until_stage)
    to_run, stale = plan_stages(stages, from_stage, end)
    if to_run:
        set_aside(stale, run_dir, terminal)

    width = max(len(stage.name) for stage in stages)
    log_folder = run_dir / LOG_FOLDER
    log_folder.mkdir(parents=True, exist_ok=True)
    with StopRequest() as stop:
        for index, stage in enumerate(stages[:end]):
            label = f"[{index + 1}/{len(stages)}] {stage.name:<{width}}"
            if stage not in to_run:
                print(f"{label} already there: {stage.output}", file=terminal, flush=True)
                continue
            if stop.number is not None:
                raise Stopped(stop.number, f"before stage {stage.name}")
            print(f"{label} {stage}", file=terminal, flush=True)
            started = time.monotonic()
            try:
                run_stage(stage, log_folder / f"{stage.name}.log", terminal, stop)
            finally:
                seconds = time.monotonic() - started
                add_seconds(run_dir, stage.name, seconds)
            print(f"{label} finished in {seconds:.0f} s", file=terminal, flush=True)


def check_range(stages: Sequence[PipelineStage], from_stage: str, until_stage: str) -> int:
    """The number of stages up to the last one to run.

    Raises:
        ValueError: no stage is called `from_stage` or `until_stage`, or the second comes before the first.
    """
    names = [stage.name for stage in stages]
    end = _position(names, "until_stage", until_stage) + 1 if until_stage else len(stages)
    if from_stage and _position(names, "from_stage", from_stage) >= end:
        raise ValueError(f"from_stage={from_stage!r} comes behind until_stage={until_stage!r}: nothing would run")
    return end


def set_aside(stages: Sequence[PipelineStage], run_dir: Path, terminal: TextIO) -> None:
    """Moves the outputs of `stages` away, and forgets what they took.

    Raises:
        InUseError: another process writes to one of them; nothing has been moved.
        OSError: `run_dir` cannot be written.
    """
    moved = []
    folder = run_dir / REPLACED_FOLDER / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    with ExitStack() as uses:
        for stage in stages:
            if stage.output.exists():
                uses.enter_context(in_use(stage.output))
                for inside in marked_inside(stage.output):
                    with in_use(inside):
                        pass
        forget_seconds(run_dir, [stage.name for stage in stages])
        for stage in stages:
            if stage.output.exists():  # one that lies inside another has moved with it
                folder.mkdir(parents=True, exist_ok=True)
                stage.output.rename(folder / stage.output.name)
                moved.append(stage.output.name)
    if moved:
        print(f"moved to {folder}: {', '.join(moved)}", file=terminal, flush=True)


def describe_result(run_dir: Path, decoders: Sequence[str], suites: Sequence[str] = ("",)) -> str:
    """What the evaluations found, from their ``summary.json``, and where the report is; of those that there are.

    Args:
        run_dir: folder of the run.
        decoders: that are evaluated.
        suites: likewise; "" for the only one.
    """
    lines = []
    for suite in suites:
        for decoder in decoders:
            path = run_dir / evaluation_folder(decoder, decoders, suite) / SUMMARY_NAME
            if not path.is_file():
                continue
            summary = read_checked_json(path)
            what = f"{summary['decoder']} {suite}".rstrip()
            success = describe_success(
                summary["successes"], summary["episodes"], Interval(*summary["success_interval"])
            )
            if summary.get("has_random_weights"):
                what = f"{what}, {in_red(RANDOM_WEIGHTS)}"
            lines.append(f"{success}, {summary['errors']} errors, {what}")
            if summary["token_acceptance"] is not None:
                lines.append(f"{describe_acceptance(summary['token_acceptance'])}, {what}")
    reports = [run_dir / of_suite(HEADLINE, suite) / REPORT_NAME for suite in suites]
    return "\n".join([*lines, *(f"report      {report}" for report in reports if report.is_file())])


def describe_time(run_dir: Path, until_report: Sequence[str], budget: str) -> str:
    """The minutes of all stages and pieces of this run, beside what was planned until the first report.

    Args:
        run_dir: folder of the run.
        until_report: the stages until the first report.
        budget: what was planned for them; empty for nothing.
    """
    planned = f" (budget {budget})" if budget else ""
    spent = read_seconds(run_dir)
    in_all = sum(spent.values()) / 60
    if until_report[-1] not in spent:
        return f"time        {in_all:.1f} min so far{planned}"
    to_report = sum(spent.get(name, 0.0) for name in until_report) / 60
    return f"time        {to_report:.1f} min to the first report{planned}, {in_all:.1f} in all"


def _position(names: Sequence[str], argument: str, name: str) -> int:
    if name not in names:
        raise ValueError(f"{argument}={name!r} is not a stage; choose one of {', '.join(names)}")
    return names.index(name)


def plan_stages(
    stages: Sequence[PipelineStage], from_stage: str, end: int
) -> tuple[list[PipelineStage], list[PipelineStage]]:
    """What of the first `end` stages has to run, and which stages of all hold what came from inputs that now change.

    An unfinished stage goes on where it was interrupted.
    """
    to_run: list[PipelineStage] = []
    stale: list[PipelineStage] = []
    changing: set[str] = set()
    for index, stage in enumerate(stages):
        reads = [before.name for before in stages[:index]] if stage.reads is None else stage.reads
        is_stale = stage.name == from_stage or not changing.isdisjoint(reads)
        runs = index < end and (is_stale or not stage.is_finished(stage.output))
        if is_stale:
            stale.append(stage)
        if runs:
            to_run.append(stage)
        if is_stale or runs:
            changing.add(stage.name)
    return to_run, stale
