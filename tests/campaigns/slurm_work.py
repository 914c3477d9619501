"""What is run on SLURM and beside it, and what must be equal."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eval_bridge.runs.pipeline_stages import PipelinePlan, stages_of
from eval_bridge.runs.places.slurm_jobs import jobs_of
from eval_bridge.runs.places.slurm_queue import submit
from eval_bridge.runs.places.slurm_settings import SlurmSettings
from eval_bridge.runs.places.stage_division import division_of
from eval_bridge.runs.stage_process import PipelineStage
from launch.config_flags import parse_config
from rsd_jax.run_folder import DEMOS_FOLDER, SLURM_FOLDER, TRAINED_STAGES, demo_paths
from tests.campaigns.killable_work import WORKS as KILLABLE
from tests.campaigns.killable_work import episodes_of
from tests.rsd_jax.training.run_fingerprint import fingerprint, saved_arrays

REPOSITORY = Path(__file__).parents[2]
NODES = 2
LIMIT = 1800.0
"""Seconds after which jobs hang."""

CLOSE = 1e-6
"""Norm of the difference between the variables of two layouts, as a share of their norm."""

_WITHOUT_EFFECT = "['keypoints']['bias']"
"""No constant changes the softmax over places behind it: its gradient is rounding, to which Adam gives full steps."""

_ON_CPU: dict[str, Any] = {"nodes": NODES, "gpus_per_node": 0, "gpus_per_shard": 0, "cpus_per_task": 1, "time": "60"}

_LIMIT_OF_TIME, _NOTICE, _STEPS = "2", 30, 4000
"""Of the training that is interrupted: minutes, seconds, and steps that take longer."""


class Difference(Exception):
    """Something did not run to its end, or ended otherwise than it must."""


def pipeline(folder: Path) -> dict[str, Any]:
    """One submission of all stages, beside the same stages by as many processes, and by one."""
    on_slurm, local = folder / "on slurm", folder / "local"
    options = [f"--{name}={value}" for name, value in (_ON_CPU | {"shards": 2}).items()]
    configuration = ["--config", "configs/quickstart.py:tiny", f"--config.run_dir={on_slurm}"]
    _python("-m", "launch.slurm", *configuration, *options)
    jobs = json.loads((on_slurm / SLURM_FOLDER / "jobs.json").read_bytes())
    wait_for(jobs, on_slurm)
    commands = _commands(local)
    _link(on_slurm / DEMOS_FOLDER, local)  # recorded once: `collection` tells of the same bytes
    for name in TRAINED_STAGES:
        _python("-m", "launch.local_processes", str(NODES), "--", *commands[name])
        _require_equal(name, fingerprint(on_slurm / name), fingerprint(local / name))
    _python(*commands["evaluate"])
    _require_equal("episodes", episodes_of(on_slurm), episodes_of(local))
    apart = {name: _distance_of_one_process(name, local, folder / "one_process" / name) for name in TRAINED_STAGES}
    if any(distance > CLOSE for distance in apart.values()):
        raise Difference(f"one process ends further than {CLOSE:g} from {NODES}: {apart}")
    return {
        "jobs": len(jobs),
        "trainings_with_same_bits": list(TRAINED_STAGES),
        "episodes_with_same_bits": len(episodes_of(local)),
        "largest_distance_of_one_process": apart,
    }


def _distance_of_one_process(name: str, local: Path, folder: Path) -> float:
    """Trains a stage again by one process, on what it had read."""
    for read in (DEMOS_FOLDER, *TRAINED_STAGES[: TRAINED_STAGES.index(name)]):
        _link(local / read, folder)
    _python(*_commands(folder)[name])
    one, several = saved_arrays(folder / name), saved_arrays(local / name)
    trained = [array for array in one if "variables" in array and not array.endswith(_WITHOUT_EFFECT)]
    wholes = [np.concatenate([run[array].astype(np.float64).ravel() for array in trained]) for run in (one, several)]
    return float(np.linalg.norm(wholes[0] - wholes[1]) / np.linalg.norm(wholes[0]))


def collection(folder: Path) -> dict[str, Any]:
    """Two tasks by two jobs of an array, and by one process."""

    def command(run_dir: Path) -> list[str]:
        values = {"run_dir": run_dir, "tasks": "(2,4)", "demos_per_task": 1, "images": False, "workers": 1}
        given = [f"--config.{name}={value}" for name, value in values.items()]
        return ["-m", "launch.collect", "--config", "configs/demos.py:tiny", *given]

    on_slurm, local = folder / "on_slurm", folder / "local"
    _run_stage(PipelineStage("collect", on_slurm, [sys.executable, *command(on_slurm)], Path.exists), on_slurm)
    _python(*command(local))
    files, others = ({path.name: path.read_bytes() for path in demo_paths(run)} for run in (on_slurm, local))
    _require_equal("demonstrations", files, others)
    return {"parts": len(files), "files_with_same_bytes": len(files)}


def evaluation(folder: Path) -> dict[str, Any]:
    """Twelve episodes by three jobs of an array, and by one process."""
    work, on_slurm, local = KILLABLE["evaluation"], folder / "on_slurm", folder / "local"
    for run_dir in (on_slurm, local):
        work.prepare(run_dir)
    _run_stage(PipelineStage("evaluate", on_slurm / "evaluation", work.command(on_slurm), Path.exists), on_slurm)
    _python(*work.arguments(local))
    _require_equal("episodes", work.result(on_slurm), work.result(local))
    parts = len(list((on_slurm / "evaluation" / "shards").iterdir()))
    return {"parts": parts, "episodes_with_same_bits": len(work.result(local))}


def interruptions(folder: Path) -> dict[str, Any]:
    """A training on two nodes that is requeued and that reaches its limit of time, beside one without a stop."""
    work, on_slurm, local = KILLABLE["training"], folder / "on_slurm", folder / "local"
    more = f"--config.training.steps={_STEPS}"
    for run_dir in (on_slurm, local):
        run_dir.mkdir(parents=True)
        work.prepare(run_dir)
    stage = PipelineStage("rfsq", on_slurm / "rfsq", [*work.command(on_slurm), more], Path.exists)
    jobs = _submit(stage, on_slurm, time=_LIMIT_OF_TIME, notice=_NOTICE)
    _wait_until(lambda: any((on_slurm / "rfsq" / "latest").glob("*00")), "no checkpoint was saved")
    subprocess.run(["scontrol", "requeue", jobs["rfsq"]], check=True)
    restarts = wait_for(jobs, on_slurm)["rfsq"]
    log = next((on_slurm / SLURM_FOLDER).glob("rfsq-*.log")).read_text()
    went_on = list(dict.fromkeys(map(int, re.findall(r"goes on at step (\d+)", log))))
    if restarts < 2 or len(went_on) < 2:
        raise Difference(f"{restarts} restarts, at steps {went_on}: its limit of time did not interrupt it")
    _python("-m", "launch.local_processes", str(NODES), "--", *work.arguments(local), more)
    _require_equal("training", fingerprint(on_slurm / "rfsq"), fingerprint(local / "rfsq"))
    return {
        "steps": _STEPS,
        "restarts": restarts,
        "requeued_at_step": went_on[0],
        "limit_of_time_at_steps": went_on[1:],
        "same_bits": True,
    }


WORKS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "collection": collection,
    "evaluation": evaluation,
    "interruptions": interruptions,
    "pipeline": pipeline,
}


def wait_for(jobs: dict[str, str], run_dir: Path) -> dict[str, int]:
    """Waits until all jobs have ended, and says how often each was started again.

    Raises:
        Difference: one did not end well, or they hang.
    """
    numbers = set(jobs.values())
    _wait_until(lambda: not numbers & set(_told("squeue", "--noheader", "--format=%F").split()), "jobs hang")
    restarts = {}
    for name, number in jobs.items():
        told = _told("scontrol", "show", "job", number)
        if (states := set(re.findall(r"JobState=(\w+)", told))) != {"COMPLETED"}:
            logs = sorted((run_dir / SLURM_FOLDER).glob(f"{name}-*.log"))
            words = "".join(path.read_text(errors="replace")[-1500:] for path in logs)
            raise Difference(f"job {name} ended as {', '.join(states)}: {words}")
        restarts[name] = max(map(int, re.findall(r"Restarts=(\d+)", told)))
    return restarts


def _run_stage(stage: PipelineStage, run_dir: Path) -> None:
    wait_for(_submit(stage, run_dir), run_dir)


def _submit(stage: PipelineStage, run_dir: Path, **more: Any) -> dict[str, str]:
    settings, folder = SlurmSettings(**(_ON_CPU | {"shards": 3} | more)), run_dir / SLURM_FOLDER
    division = division_of(stage.command, lambda arguments: parse_config(arguments).to_dict())
    divisions = {} if division is None else {stage.name: division}
    return submit(jobs_of([stage], divisions, folder, settings), folder, sys.stdout)


def _commands(run_dir: Path) -> dict[str, Sequence[str]]:
    """Arguments of Python for every stage of the pipeline."""
    plan = PipelinePlan(run_dir, "tiny", 0, ("speculative_greedy",))
    return {stage.name: stage.command[1:] for stage in stages_of(plan)}


def _link(source: Path, run_dir: Path) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / source.name).symlink_to(source.resolve(), target_is_directory=True)


def _python(*arguments: str) -> None:
    process = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, errors="replace", check=False
    )
    if process.returncode != 0:
        raise Difference(f"{' '.join(arguments)} ended with {process.returncode}: {process.stderr[-1500:]}")


def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + LIMIT
    while not holds():
        if time.monotonic() > until:
            raise Difference(f"{otherwise} after {LIMIT:g} s")
        time.sleep(0.5)


def _require_equal(what: str, one: Any, other: Any) -> None:
    if one == other:
        return
    names = [name for name in one if one[name] != other.get(name)] if isinstance(one, dict) else []
    raise Difference(f"{what}: other bits than locally {names}")
