"""Chains all stages of one run: demonstrations, the four trainings, an evaluation by each decoder, the report.

    python -m launch.pipeline --config configs/quickstart.py
    python -m launch.pipeline --config configs/quickstart.py --config.run_dir=runs/second --config.seed=1
    python -m launch.pipeline --config configs/quickstart.py --config.from_stage=draft
    timeout 590 python -m launch.pipeline --config configs/libero_spatial.py

A stage whose output is complete is skipped. When a stage runs, what others had made from its old output moves to
``RUN_DIR/replaced/``; nothing is deleted. Each stage is a command of its own, printed as it starts, logged in
``RUN_DIR/logs/STAGE.log``.

A run may be made in pieces: at SIGTERM or Ctrl-C the running stage saves what it has, the exit status is 143 or 130,
and the same command goes on from there. ``RUN_DIR/pipeline.json`` adds up the seconds of all pieces of a stage, those
that were stopped or failed included; only the seconds of a piece that SIGKILL ended are lost.
"""

import sys
from pathlib import Path

from ml_collections import ConfigDict

from eval_bridge.runs.pipeline import check_range, describe_result, describe_time, run_pipeline, set_aside
from eval_bridge.runs.pipeline_stages import share_demos, stages_of
from eval_bridge.runs.run_record import RunIdentity, check_same_run
from eval_bridge.runs.stage_process import StageFailure
from eval_bridge.runs.stop_request import Stopped
from launch.config_flags import run


def main(config: ConfigDict) -> None:
    """Runs the pipeline that `config` describes and prints its result."""
    run_dir, from_stage, decoders = Path(config.run_dir), config.from_stage, tuple(config.decoders)
    identity = RunIdentity(config.variant, config.seed, str(Path(config.demos)) if config.demos else "")
    stages = stages_of(run_dir, identity.variant, identity.seed, decoders)
    if identity.demos and from_stage == "collect":
        raise ValueError(
            f"the demonstrations belong to {identity.demos}: collect them there, or leave config.demos out"
        )
    check_range(stages, from_stage, config.until_stage)
    if from_stage == stages[0].name:
        set_aside(stages, run_dir, sys.stdout)  # before the record says that the folder is made with something else
    check_same_run(run_dir, identity, from_stage)
    share_demos(run_dir, identity.demos)
    try:
        run_pipeline(stages, run_dir, sys.stdout, from_stage, config.until_stage)
    except Stopped as stopped:
        again = "the same command without --config.from_stage" if from_stage else "the same command"
        print(f"{stopped}; {again} goes on", flush=True)
        sys.exit(stopped.exit_status)
    names = [stage.name for stage in stages]
    print(f"\n{describe_result(run_dir, decoders)}".rstrip())
    print(describe_time(run_dir, names[: names.index("evaluate") + 1], config.budget))


if __name__ == "__main__":
    run(main, expected=(ValueError, OSError, StageFailure))
