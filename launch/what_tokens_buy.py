"""Trains and judges the arms of the table of what tokens buy, on the same demonstrations, backbone, steps and starts.

    python -m launch.what_tokens_buy --config configs/what_tokens_buy.py

Needs the demonstrations of every set (``launch.collect``). Networks that several arms use are trained once, in
``RUN_DIR/branches/BRANCH/seed_SEED/``, with logs of all commands; arms are evaluated by `launch.evaluate` from
development starts as soon as their networks are there. What is complete is skipped, so that the same command goes on
after an interruption. What fails is reported at the end, with its log, and the exit status is 1; the rest goes on.

The results are in ``config.out``, and as a table on standard output; `launch.record_what_tokens_buy` puts that into
docs/decoding.md.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from eval_bridge.runs.arms.plan import plan_arms
from eval_bridge.runs.arms.results import collect_results, write_table
from eval_bridge.runs.arms.run import run_plan
from eval_bridge.runs.arms.settings import ArmsSettings
from eval_bridge.runs.requirements import require_what_is_missing
from eval_bridge.runs.stage_process import StageFailure
from eval_bridge.runs.stop_request import Stopped, StopRequest
from eval_bridge.simulators.libero.renderer import RendererNotFound
from launch.config_flags import parse_config, run
from rsd_jax.atomic_files import write_json
from rsd_jax.registry import to_dataclass


def read_config(source: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The values of ``FILE[:variant]`` with overrides (a `ReadConfig`)."""
    return read_arguments(["--config", source, *overrides])


def read_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """The values of a whole command line (`eval_bridge.preflight.needs.ReadConfig`)."""
    values: dict[str, Any] = parse_config(arguments).to_dict()
    return values


def main(config: ConfigDict) -> None:
    """Runs what `config` describes, writes and prints the results; exits with 1 if something failed."""
    settings = to_dataclass(ArmsSettings, config.to_dict())
    plan = plan_arms(settings, read_config)
    # Several processes share a card; each would take most of its memory at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    require_what_is_missing(plan.stages, read_arguments)
    try:
        with StopRequest() as stop:
            evaluations = max(settings.parallel_evaluations, 1)  # of which a plan without them has none
            failures = run_plan(plan, settings.parallel_trainings, evaluations, stop, sys.stdout)
    except Stopped as stopped:
        print(f"{stopped}; the same command goes on", flush=True)
        sys.exit(stopped.exit_status)
    except StageFailure as failure:
        sys.exit(f"error: {failure}")
    results = collect_results(settings, plan)
    out = Path(settings.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, results)
    print(f"\n{write_table(results)}\n\n{out}")
    if failures:
        sys.exit("error: " + "\n".join([f"{len(failures)} of {len(plan.stages)} failed", *failures]))


if __name__ == "__main__":
    run(main, default="configs/what_tokens_buy.py", expected=(ValueError, OSError, RendererNotFound))
