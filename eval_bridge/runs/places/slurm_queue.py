"""Jobs handed to SLURM: submitted with what they wait for, and remembered beside their scripts."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from eval_bridge.runs.places.slurm_jobs import SlurmJob
from rsd_jax.atomic_files import write_atomically, write_json

_JOBS_NAME = "jobs.json"


class SlurmRefusal(RuntimeError):
    """SLURM is not there, or does not take a job. The message says what it said."""


def require_none_waiting(folder: Path) -> None:
    """Checks that none of the jobs that were submitted from `folder` is still in the queue.

    Raises:
        ValueError: some are; the message names them.
        SlurmRefusal: the queue cannot be read.
    """
    path = folder / _JOBS_NAME
    submitted: dict[str, str] = json.loads(path.read_bytes()) if path.is_file() else {}
    if not submitted:
        return
    queue = set(_call("squeue", "--me", "--noheader", "--format=%F").split())
    if waiting := {name: number for name, number in submitted.items() if number in queue}:
        listed = ", ".join(f"{number} ({name})" for name, number in waiting.items())
        raise ValueError(
            f"{folder.parent} has jobs in the queue: {listed}; wait for them, or end them: "
            f"scancel {' '.join(waiting.values())}"
        )


def submit(jobs: Sequence[SlurmJob], folder: Path, terminal: TextIO) -> dict[str, str]:
    """Writes the script of every job into `folder` and submits it; all of them, or none.

    Args:
        jobs: each behind those that it waits for.
        folder: of their scripts, logs, and numbers (``jobs.json``).
        terminal: where to say which number each has.

    Returns:
        Numbers of the jobs, by name.

    Raises:
        SlurmRefusal: one was not taken; those before it are cancelled.
        OSError: `folder` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, str] = {}
    for job in jobs:
        script = folder / f"{job.name}.sbatch"
        write_atomically(script, job.script)
        try:
            answer = _call("sbatch", "--parsable", *_dependency([numbers[name] for name in job.after]), str(script))
        except SlurmRefusal:
            if numbers:
                _call("scancel", *numbers.values())
            raise
        numbers[job.name] = answer.strip().split(";")[0]  # behind which the cluster's name may stand
        write_json(folder / _JOBS_NAME, numbers)
        behind = f", behind {', '.join(job.after)}" if job.after else ""
        print(f"job {numbers[job.name]}  {job.name}{behind}", file=terminal, flush=True)
    return numbers


def _dependency(numbers: Sequence[str]) -> list[str]:
    """The option of ``sbatch`` that lets a job wait until all others have ended well; none where there are none."""
    return [f"--dependency=afterok:{':'.join(numbers)}"] if numbers else []


def _call(*command: str) -> str:
    """What a command of SLURM answers."""
    try:
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SlurmRefusal(
            f"there is no {command[0]} on this machine: call this where jobs are submitted, or add --dry_run"
        ) from error
    if process.returncode != 0:
        said = process.stderr.strip() or f"exit status {process.returncode}"
        raise SlurmRefusal(f"{' '.join(command)}: {said}")
    return process.stdout
