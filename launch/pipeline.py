"""Chains all stages of one run: demonstrations, trainings, an evaluation by each decoder, the report.

    python -m launch.pipeline --config configs/quickstart.py
    python -m launch.pipeline --config configs/quickstart.py --config.run_dir=runs/second --config.seed=1
    python -m launch.pipeline --config configs/quickstart.py --config.from_stage=draft
    timeout 590 python -m launch.pipeline --config configs/libero_spatial.py

A stage whose output is complete is skipped. When a stage runs, what others had made from its old output moves to
``RUN_DIR/replaced/``; nothing is deleted. Each stage is a command of its own, printed as it starts, logged in
``RUN_DIR/logs/STAGE.log``.

Before the first stage everything is checked that any later one needs: simulator and packages, renderer, device, disk,
folders and all configurations. What fails is listed, and nothing is started or written.

A run may be made in pieces: at SIGTERM or Ctrl-C the running stage saves what it has, the exit status is 143 or 130,
and the same command goes on from there. ``RUN_DIR/pipeline.json`` adds up the seconds of all pieces of a stage, those
that were stopped or failed included; only the seconds of a piece that SIGKILL ended are lost.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from eval_bridge.preflight.check_stages import check_stages
from eval_bridge.preflight.requirements import require_met
from eval_bridge.runs.pipeline import check_range, describe_result, describe_time, plan_stages, run_pipeline
from eval_bridge.runs.pipeline_settings import claim_folder, read_pipeline
from eval_bridge.runs.pipeline_stages import stages_of
from eval_bridge.runs.stage_process import PipelineStage, StageFailure
from eval_bridge.runs.stop_request import Stopped
from launch.config_flags import parse_config, run


def main(config: ConfigDict) -> None:
    """Runs the pipeline that `config` describes and prints its result."""
    from_stage = config.from_stage
    plan, identity = read_pipeline(config.to_dict())
    stages, run_dir = stages_of(plan), plan.run_dir
    end = check_range(stages, from_stage, config.until_stage)
    to_run, _ = plan_stages(stages, from_stage, end)
    shared = plan.collections if identity.demos else ()
    require_all_of([stage for stage in to_run if stage.name not in shared], identity.demos)
    claim_folder(plan, identity, stages, from_stage, sys.stdout)
    try:
        run_pipeline(stages, run_dir, sys.stdout, from_stage, config.until_stage)
    except Stopped as stopped:
        again = "the same command without --config.from_stage" if from_stage else "the same command"
        print(f"{stopped}; {again} goes on", flush=True)
        sys.exit(stopped.exit_status)
    names = [stage.name for stage in stages]
    print(f"\n{describe_result(run_dir, plan.decoders, plan.tags)}".rstrip())
    print(describe_time(run_dir, names[: names.index(plan.headlines[-1]) + 1], config.budget))


def require_all_of(stages: Sequence[PipelineStage], demos: str) -> None:
    """Checks what `stages` need, before anything is written, and prints what was found, a line each.

    Args:
        stages: those that will run; nothing is checked for none.
        demos: folder of another run whose demonstrations are used; empty for none.

    Raises:
        RequirementsNotMet: something is missing; the message lists all of it.
    """
    if not stages:
        return
    commands = {stage.name: stage.command for stage in stages}
    results = check_stages(commands, read_config, demos_of=Path(demos) if demos else None)
    for result in results:
        if result.passed:
            print(f"checked  {result.name}: {result.detail}", flush=True)
    require_met(results)


def read_config(arguments: Sequence[str]) -> Mapping[str, Any]:
    """The values of ``--config FILE[:variant]`` with overrides."""
    values: Mapping[str, Any] = parse_config(arguments).to_dict()
    return values


if __name__ == "__main__":
    run(main, expected=(ValueError, OSError, StageFailure))
