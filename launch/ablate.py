"""Trains and judges variants of the policy on the demonstrations and the tokenizer of one run.

    python -m launch.ablate --config configs/ablations.py --config.run_dir=runs/NAME

Policies are trained one after the other while those that are finished are evaluated by `launch.evaluate`, from random
resets: the evaluation states of a benchmark are refused. Each has its folder, ``RUN_DIR/ablations/POLICY/seed_SEED/``,
with logs of both commands. What is complete is skipped, so that the same command goes on after an interruption. A
policy that fails is reported at the end, with its log, and the exit status is 1; the others go on.

The results of all complete policies are in ``config.out``, and as a table beside it and on standard output.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from eval_bridge.runs.ablation.results import collect_results, write_table
from eval_bridge.runs.ablation.run import run_trials
from eval_bridge.runs.ablation.trials import AblationSettings, chosen_names, plan_trials
from eval_bridge.runs.requirements import require_what_is_missing
from eval_bridge.runs.stop_request import Stopped, StopRequest
from eval_bridge.simulators.libero.renderer import RendererNotFound
from launch.config_flags import parse_config, run
from rsd_jax.atomic_files import write_atomically, write_json
from rsd_jax.registry import to_dataclass


def read_config(source: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The values of ``FILE[:variant]`` with overrides (a `ReadConfig`)."""
    return read_arguments(["--config", source, *overrides])


def main(config: ConfigDict) -> None:
    """Runs the ablations that `config` describes, writes and prints their results; exits with 1 if one failed."""
    settings = to_dataclass(AblationSettings, config.to_dict())
    trials = plan_trials(settings, read_config)
    chosen = [trial for trial in trials if trial.name in chosen_names(settings)]
    out = Path(settings.out)
    if out.suffix != ".json":
        raise ValueError(f"out={settings.out!r} must end in .json; the table gets the same name with .md")
    stages = [stage for trial in chosen for stage in (trial.training, *trial.evaluations)]
    require_what_is_missing(stages, read_arguments)
    try:
        with StopRequest() as stop:
            failures = run_trials(chosen, settings.parallel_evaluations, stop, sys.stdout)
    except Stopped as stopped:
        print(f"{stopped}; the same command goes on", flush=True)
        sys.exit(stopped.exit_status)
    results = collect_results(settings, trials)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, results)
    table = write_table(results, out)
    write_atomically(out.with_suffix(".md"), table)
    print(f"\n{table}\n{out}")
    if failures:
        sys.exit("error: " + "\n".join([f"{len(failures)} of {len(chosen)} policies failed", *failures]))


def read_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """The values of a whole command line (`eval_bridge.preflight.needs.ReadConfig`)."""
    values: dict[str, Any] = parse_config(arguments).to_dict()
    return values


if __name__ == "__main__":
    run(main, expected=(ValueError, OSError, RendererNotFound))
