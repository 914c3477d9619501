"""Evaluates executions in which time passes at one delay after another, and draws success over delay.

    python -m launch.sweep_delays --config configs/delays.py

Every cell is an evaluation of the same starts by `launch.evaluate`, a process of its own with its log. What is
complete is skipped, so that the same command goes on after an interruption, and a cell that was interrupted goes on
where it was. What fails is reported at the end, and the exit status is 1; the rest goes on.

The figures of all finished cells are in ``config.out``, a page with plots beside it, and a table on standard output.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from eval_bridge.evaluation.folder import results_folder
from eval_bridge.evidence.delay_rows import read_delay_results
from eval_bridge.evidence.delay_section import describe
from eval_bridge.report.delay.page import write_page
from eval_bridge.runs.delay_sweep.run import run_cells
from eval_bridge.runs.delay_sweep.settings import DelaySweepSettings
from eval_bridge.runs.requirements import require_what_is_missing
from eval_bridge.runs.stop_request import Stopped, StopRequest
from eval_bridge.simulators.libero.renderer import RendererNotFound
from launch.config_flags import parse_config, run
from rsd_jax.atomic_files import write_json
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import LOG_FOLDER


def read_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """The values of a whole command line (`eval_bridge.preflight.needs.ReadConfig`)."""
    values: dict[str, Any] = parse_config(arguments).to_dict()
    return values


def main(config: ConfigDict) -> None:
    """Runs what `config` describes, writes and prints the results; exits with 1 if something failed."""
    settings = to_dataclass(DelaySweepSettings, config.to_dict())
    stages = settings.stages()
    # Several processes share a card; each would take most of its memory at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    require_what_is_missing(list(stages.values()), read_arguments)
    try:
        with StopRequest() as stop:
            failures = run_cells(
                stages, results_folder(settings.run_dir) / LOG_FOLDER, settings.parallel, stop, sys.stdout
            )
    except Stopped as stopped:
        print(f"{stopped}; the same command goes on", flush=True)
        sys.exit(stopped.exit_status)
    finished = [stage.output for stage in stages.values() if stage.is_finished(stage.output)]
    if finished:
        out = Path(settings.out)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, results := read_delay_results(finished))
        write_page(results, page := out.with_suffix(".html"))
        print(f"\n{describe(out, out)}\n\n{out}\n{page}")
    if failures:
        sys.exit("error: " + "\n".join([f"{len(failures)} of {len(stages)} cells failed", *failures]))


if __name__ == "__main__":
    run(main, default="configs/delays.py", expected=(ValueError, OSError, RendererNotFound))
