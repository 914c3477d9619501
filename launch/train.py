"""Trains one stage: the tokenizer, the policy, the draft model or the main head.

    python -m launch.train --config configs/rfsq.py
    python -m launch.train --config configs/policy.py:quickstart --config.run_dir=runs/quickstart --config.seed=1

The decoder cascade needs two more stages (configs/draft_policy.py, configs/confidence.py), and early_exit one of its
own (configs/early_exit.py). configs/openvla_finetune.py fine-tunes a converted policy.

Results are in ``RUN_DIR/STAGE/``. Run again, it goes on where it was interrupted; a finished stage is recognised.
The log says where the time until the first step went. What is compiled is kept in ~/.cache/rsd_jax for the next time
(another folder: JAX_COMPILATION_CACHE_DIR; none: JAX_ENABLE_COMPILATION_CACHE=false).
On several processes give each ``--coordinator=HOST:PORT --num_processes=N --process_id=I`` (or the variables
RSD_COORDINATOR, RSD_NUM_PROCESSES, RSD_PROCESS_ID), or start it with srun.
"""

from numbers import Real
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from launch.config_flags import run
from rsd_jax.content_check import read_checked_json
from rsd_jax.distributed import hosts
from rsd_jax.distributed.compiled_programs import keep_compiled_programs
from rsd_jax.distributed.mesh import make_mesh
from rsd_jax.run_folder import METRICS_NAME
from rsd_jax.training.run_settings import read_run_settings
from rsd_jax.training.stages import build_stage
from rsd_jax.training.start_up import StartUp
from rsd_jax.training.train_loop import train

OPTIONS = flags.FlagValues()
COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0 of a run.", OPTIONS)
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes of the run.", flag_values=OPTIONS)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them this is, from 0.", flag_values=OPTIONS)
PEER_TIMEOUT = flags.DEFINE_float(
    "peer_timeout",
    None,
    "Seconds without a sign of life after which a process is lost; by default 10.",
    1.0,
    flag_values=OPTIONS,
)


def main(config: ConfigDict) -> None:
    """Trains the stage that `config` names and prints its final metrics."""
    start_up = StartUp()
    start_up.note("imports")
    keep_compiled_programs()
    hosts.initialise(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value, PEER_TIMEOUT.value)
    with hosts.leaving_together():
        _train(config, start_up)


def _train(config: ConfigDict, start_up: StartUp) -> None:
    settings = read_run_settings(config.to_dict())
    mesh = make_mesh(settings.mesh)
    start_up.note("devices")
    stage = build_stage(settings.stage, settings.model, Path(config.run_dir), mesh, settings.start_from)
    start_up.note("reading")
    directory = Path(config.run_dir) / stage.name
    train(stage, settings.training, directory, mesh, start_up)
    if hosts.is_primary():
        print(final_table(read_checked_json(directory / METRICS_NAME), directory))


def final_table(metrics: dict[str, Any], directory: Path) -> str:
    """The final metrics, one name and value a line."""
    training = metrics.pop("training")
    lines = [f"{name:<32}{_format(value)}" for name, value in sorted(metrics.items())]
    steps = f"{training['steps']} steps in {training['seconds']} s on {training['num_devices']} x {training['device']}"
    return "\n".join([str(directory), *lines, f"{'training':<32}{steps}, best at step {training['best_step']}"])


def _format(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_format(item) for item in value)
    return f"{value:.4g}" if isinstance(value, Real) else str(value)


if __name__ == "__main__":
    run(main, options=OPTIONS)
