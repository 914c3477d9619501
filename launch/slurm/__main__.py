r"""Submits all stages of a run to SLURM.

    python -m launch.slurm --config configs/libero_spatial.py --dry_run
    python -m launch.slurm --config configs/libero_spatial.py --nodes=2 --gpus_per_node=8 --partition=gpu \
        --time=08:00:00 --sbatch="--qos=high --mem=200G"
    python -m launch.slurm --config configs/libero_spatial.py --config.until_stage=policy

The configurations are those of `launch.pipeline`, and so are stages, folders and results. A training is a job of
several nodes; a collection and an evaluation are an array of parts, and a job that unites them; each waits for those
that it reads from. What is finished is not submitted, and jobs of a run that are still in the queue are an error.

A job that reaches its limit of time, or is preempted, goes on where it stopped. The folder of the run must lie where
every node sees it. Scripts and logs are in ``RUN_DIR/slurm/``.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from eval_bridge.preflight.stage_needs import needs_of
from eval_bridge.runs.pipeline import check_range, plan_stages, set_aside
from eval_bridge.runs.pipeline_settings import claim_folder, read_pipeline
from eval_bridge.runs.pipeline_stages import stages_of
from eval_bridge.runs.places.slurm_jobs import check_begun, jobs_of
from eval_bridge.runs.places.slurm_queue import SlurmRefusal, require_none_waiting, submit
from eval_bridge.runs.places.slurm_settings import SlurmSettings
from eval_bridge.runs.places.stage_division import division_of
from eval_bridge.runs.stage_process import PipelineStage
from launch.config_flags import parse_config, run
from rsd_jax.folder_lock import in_use
from rsd_jax.run_folder import SLURM_FOLDER

OPTIONS = flags.FlagValues()
_MEANINGS = {
    "nodes": "Nodes of a training, a process each.",
    "gpus_per_node": "GPUs of each of them; 0: none.",
    "cpus_per_task": "Cores of a process.",
    "shards": "Jobs that share a collection (its tasks) or an evaluation (its episodes).",
    "gpus_per_shard": "GPUs of each of them, and of what is one job; 0: none.",
    "time": "Limit of every job, which goes on in its next piece.",
    "notice": "Seconds before the limit at which a job saves.",
    "requeues": "How often a job goes on at most.",
    "partition": "Of the cluster; empty: SLURM's own choice.",
    "account": "Likewise.",
    "sbatch": "Further options of it for every job.",
}
_VALUES = {
    name: (flags.DEFINE_string if isinstance(default, str) else flags.DEFINE_integer)(
        name, default, _MEANINGS[name], flag_values=OPTIONS
    )
    for name, default in asdict(SlurmSettings()).items()
}
DRY_RUN = flags.DEFINE_boolean("dry_run", False, "Print the scripts; submit and write nothing.", flag_values=OPTIONS)


def main(config: ConfigDict) -> None:
    """Submits the stages that are not finished, or prints what would be submitted."""
    settings = SlurmSettings(**{name: flag.value for name, flag in _VALUES.items()})
    plan, identity = read_pipeline(config.to_dict())
    stages, folder = stages_of(plan), plan.run_dir / SLURM_FOLDER
    end = check_range(stages, config.from_stage, config.until_stage)
    shared = plan.collections if identity.demos else ()

    def unfinished() -> tuple[list[PipelineStage], list[PipelineStage]]:
        to_run, stale = plan_stages(stages, config.from_stage, end)
        return [stage for stage in to_run if stage.name not in shared], stale

    to_run, stale = unfinished()
    for stage in to_run:
        needs_of(stage.command, read_config)  # so that a misspelt value is told now, and not by a job
    found = {stage.name: division_of(stage.command, read_config) for stage in to_run}
    divisions = {name: division for name, division in found.items() if division is not None}
    check_begun([stage for stage in to_run if stage not in stale], divisions, settings)
    if DRY_RUN.value:
        for job in jobs_of(to_run, divisions, folder, settings):
            behind = f" behind {', '.join(job.after)}" if job.after else ""
            print(f"# {folder / job.name}.sbatch{behind}\n{job.script}")
        return
    with in_use(folder):
        require_none_waiting(folder)
        claim_folder(plan, identity, stages, config.from_stage, sys.stdout)
        to_run, stale = unfinished()  # demonstrations of another run are there now
        set_aside(stale, plan.run_dir, sys.stdout)
        submit(jobs_of(to_run, divisions, folder, settings), folder, sys.stdout)
    if not to_run:
        print(f"{plan.run_dir}: all stages are finished")


def read_config(arguments: Sequence[str]) -> Mapping[str, Any]:
    """The values of ``--config FILE[:variant]`` with overrides."""
    values: Mapping[str, Any] = parse_config(arguments).to_dict()
    return values


if __name__ == "__main__":
    run(main, options=OPTIONS, expected=(ValueError, OSError, SlurmRefusal))
