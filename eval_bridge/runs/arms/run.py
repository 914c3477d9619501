"""Trains the branches of a plan and evaluates their arms, several processes at a time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

from eval_bridge.runs.arms.plan import Branch, Plan
from eval_bridge.runs.job_progress import JobProgress
from eval_bridge.runs.stage_job import run_job
from eval_bridge.runs.stage_process import PipelineStage, StageFailure
from eval_bridge.runs.stop_request import StopRequest
from rsd_jax.run_folder import LOG_FOLDER


def run_plan(
    plan: Plan, parallel_trainings: int, parallel_evaluations: int, stop: StopRequest, terminal: TextIO
) -> list[str]:
    """Makes what is missing of `plan`; returns what failed, a message each.

    The tokenizers come first. Then branches are trained, each stage after stage; an arm is evaluated as soon as the
    stages that it needs are there. A stage that fails ends its branch, and no other.

    Args:
        plan: what to make.
        parallel_trainings: branches that are trained at the same time.
        parallel_evaluations: arms that are evaluated at the same time, beside them.
        stop: asks what runs to save and end.
        terminal: where to say what happens.

    Raises:
        ValueError: a branch's folder holds what was made with something else; nothing was started.
        StageFailure: a tokenizer failed: nothing can be trained without it.
        Stopped: a stop was requested; what ran has saved what it has.
        OSError: a folder cannot be written.
    """
    for branch in plan.branches:
        branch.prepare()
    progress = JobProgress(terminal, len(plan.stages))
    failures: list[str] = []

    def attempt(stage: PipelineStage, label: str, logs: Path) -> bool:
        """Whether the stage is there in the end."""
        try:
            run_job(stage, label, logs, stop, progress)
        except StageFailure as failure:
            failures.append(f"{label}: {failure}")
            progress.say(failures[-1])
            return False
        return True

    try:
        for name, stage in plan.tokenizers.items():
            run_job(stage, f"{name} {stage.name}", stage.output.parent / LOG_FOLDER, stop, progress)
        with (
            ThreadPoolExecutor(parallel_evaluations, thread_name_prefix="evaluation") as evaluating,
            ThreadPoolExecutor(parallel_trainings, thread_name_prefix="training") as training,
        ):
            branches = [training.submit(_train, branch, attempt, evaluating) for branch in plan.branches]
            evaluations = [evaluation for branch in branches for evaluation in branch.result()]
            for evaluation in evaluations:
                evaluation.result()
    finally:
        progress.close()
    return failures


_Attempt = Callable[[PipelineStage, str, Path], bool]


def _train(branch: Branch, attempt: _Attempt, evaluating: ThreadPoolExecutor) -> list[Future[bool]]:
    """Trains a branch; returns the evaluations that it has handed on."""
    label, logs = f"{branch.task_set} {branch.name} seed {branch.seed}", branch.folder / LOG_FOLDER
    waiting = {arm: set(branch.needs[arm]) - {"rfsq"} for arm in branch.evaluations}
    handed: list[Future[bool]] = []
    for name, stage in branch.needed_trainings.items():
        if not attempt(stage, f"{label} {name}", logs):
            break
        for needs in waiting.values():
            needs.discard(name)
        for arm in [arm for arm, needs in waiting.items() if not needs]:
            del waiting[arm]
            handed.append(evaluating.submit(attempt, branch.evaluations[arm], f"{label} {arm}", logs))
    return handed
