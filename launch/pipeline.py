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
from eval_bridge.runs.calibration_stages import CalibrationPlan
from eval_bridge.runs.converted_policy import ConvertedPolicy
from eval_bridge.runs.pipeline import (
    check_range,
    describe_result,
    describe_time,
    plan_stages,
    run_pipeline,
    set_aside,
)
from eval_bridge.runs.pipeline_stages import PipelinePlan, stages_of
from eval_bridge.runs.run_record import RunIdentity, check_same_run
from eval_bridge.runs.shared_demos import share_demos
from eval_bridge.runs.stage_process import PipelineStage, StageFailure
from eval_bridge.runs.stop_request import Stopped
from launch.config_flags import parse_config, run
from rsd_jax.registry import to_dataclass


def main(config: ConfigDict) -> None:
    """Runs the pipeline that `config` describes and prints its result."""
    run_dir, from_stage = Path(config.run_dir), config.from_stage
    demos = str(Path(config.demos)) if config.demos else ""
    corrections_of = str(Path(config.corrections_of)) if config.corrections_of else ""
    suites = tuple(config.suites)
    # Only configs/openvla.py has a policy that is not trained.
    converted = to_dataclass(ConvertedPolicy, config.openvla.to_dict()) if "openvla" in config else None
    identity = RunIdentity(
        config.variant,
        config.seed,
        demos,
        config.tokenizer,
        suites if len(suites) > 1 else (),
        corrections_of,
        converted.source if converted else "",
    )
    plan = PipelinePlan(
        run_dir,
        identity.variant,
        identity.seed,
        tuple(config.decoders),
        config.decoder_settings.to_dict(),
        tokenizer=identity.tokenizer,
        calibration=to_dataclass(CalibrationPlan, config.calibration.to_dict()),
        render_devices=config.render_devices,
        suites=suites,
        suite_variant=config.suite_variant,
        corrections_of=corrections_of,
        converted=converted,
    )
    stages = stages_of(plan)
    if identity.demos and from_stage in plan.collections:
        raise ValueError(
            f"the demonstrations belong to {identity.demos}: collect them there, or leave config.demos out"
        )
    end = check_range(stages, from_stage, config.until_stage)
    to_run, _ = plan_stages(stages, from_stage, end)
    shared = plan.collections if identity.demos else ()
    require_all_of([stage for stage in to_run if stage.name not in shared], identity.demos)
    is_anew = from_stage == stages[0].name
    if is_anew:
        set_aside(stages, run_dir, sys.stdout)  # before the record says that the folder is made with something else
    check_same_run(run_dir, identity, is_anew)
    share_demos(run_dir, identity.demos, plan.suites)
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
