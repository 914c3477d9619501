"""The stages of a run as jobs of SLURM: a batch script each, and which of them wait for which."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from eval_bridge.runs.places.slurm_settings import SlurmSettings
from eval_bridge.runs.places.stage_division import Division
from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.run_folder import SHARD_FOLDER

TRAINING = "launch.train"
"""The module whose command runs on several nodes."""

_DETERMINISTIC = """
# Only with deterministic kernels do requeued jobs end in the same bits on a GPU.
export XLA_FLAGS="--xla_gpu_deterministic_ops=true ${XLA_FLAGS:-}"
"""


class SlurmJob(NamedTuple):
    """A job to submit: its name within the run, its batch script, and the jobs that must have ended well before."""

    name: str
    script: str
    after: tuple[str, ...]


def jobs_of(
    stages: Sequence[PipelineStage], divisions: Mapping[str, Division], folder: Path, settings: SlurmSettings
) -> list[SlurmJob]:
    """Jobs that make what `stages` leave, in an order in which each is behind those that it waits for.

    A stage that can be divided becomes an array of parts and a job that unites them; all others are one job.

    Args:
        stages: those that are not finished, in order.
        divisions: of those that can be divided, by name.
        folder: for the logs of the jobs.
        settings: what they ask for.
    """
    jobs: list[SlurmJob] = []
    made: list[str] = []
    for stage in stages:
        after = tuple(name for name in made if stage.reads is None or name in stage.reads)
        if (parts := _parts(stage, divisions, settings)) > 1:
            shards, merge = f"{stage.name}_shards", divisions[stage.name].merge
            jobs.append(SlurmJob(shards, _script(shards, stage.command, folder, settings, parts), after))
            jobs.append(SlurmJob(stage.name, _script(stage.name, merge, folder, settings), (shards,)))
        else:
            jobs.append(SlurmJob(stage.name, _script(stage.name, stage.command, folder, settings), after))
        made.append(stage.name)
    return jobs


def check_begun(stages: Sequence[PipelineStage], divisions: Mapping[str, Division], settings: SlurmSettings) -> None:
    """Checks that what `stages` go on with was begun in as many parts as `jobs_of` would divide them into.

    Raises:
        ValueError: an evaluation was begun in another number of parts.
    """
    for stage in stages:
        parts, folder = _parts(stage, divisions, settings), stage.output / SHARD_FOLDER
        others = sorted(path.name for path in folder.glob("*_of_*") if not path.name.endswith(f"_of_{parts}"))
        if parts > 1 and others:
            raise ValueError(
                f"{folder} holds {', '.join(others)}, and shards={parts} are asked: give the number that it was begun "
                "with, or move that folder away"
            )


def _parts(stage: PipelineStage, divisions: Mapping[str, Division], settings: SlurmSettings) -> int:
    return min(settings.shards, divisions[stage.name].most) if stage.name in divisions else 1


def _script(name: str, command: Sequence[str], folder: Path, settings: SlurmSettings, parts: int = 1) -> str:
    is_training = TRAINING in command
    asked = _options(name, is_training, folder, settings, parts)
    options = "\n".join(f"#SBATCH {shlex.quote(option)}" for option in asked)
    shard = f' --config.shard="$SLURM_ARRAY_TASK_ID/{parts}"' if parts > 1 else ""
    return f"""#!/usr/bin/env bash
{options}
set -uo pipefail
{_DETERMINISTIC if is_training else ""}
# No process is ended because another has: it may be saving.
srun --unbuffered --kill-on-bad-exit=0 --cpus-per-task={settings.cpus_per_task} \\
    {shlex.join(command)}{shard}
status=$?

# 143: saved at SIGTERM, which comes before the limit of time; 75: another process was lost. Both go on from there.
if [[ $status == 143 || $status == 75 ]] && ((${{SLURM_RESTART_COUNT:-0}} < {settings.requeues})); then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $status
"""


def _options(name: str, is_training: bool, folder: Path, settings: SlurmSettings, parts: int) -> list[str]:
    gpus = settings.gpus_per_node if is_training else settings.gpus_per_shard
    return [
        f"--job-name={folder.parent.name}-{name}",
        f"--output={str(folder).replace('%', '%%')}/{name}-{'%A_%a' if parts > 1 else '%j'}.log",
        "--open-mode=append",  # a requeued job has the same log
        *([f"--array=0-{parts - 1}"] if parts > 1 else []),
        f"--nodes={settings.nodes if is_training else 1}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={settings.cpus_per_task}",
        *([f"--gpus-per-node={gpus}"] if gpus else []),
        f"--time={settings.time}",
        f"--signal=TERM@{settings.notice}",
        "--requeue",
        "--kill-on-invalid-dep=yes",  # or jobs behind one that failed would wait for ever
        *([f"--partition={settings.partition}"] if settings.partition else []),
        *([f"--account={settings.account}"] if settings.account else []),
        *shlex.split(settings.sbatch),
    ]
