r"""Runs the project's commands on Modal (modal.com), on machines that are started for them.

    pip install "rsd_jax[modal]" && modal setup
    modal run launch/modal/app.py launch.pipeline --config configs/libero_spatial.py
    modal run --detach launch/modal/app.py --gpu=A100-80GB:2 launch.train --config configs/policy.py \
        --config.run_dir=runs/NAME
    modal volume get rsd_jax-runs NAME/evaluation/report.html

Every command of ``python -m launch`` runs as it does anywhere else, in a copy of this checkout with the packages of
requirements/. ``runs/`` is the volume ``rsd_jax-runs``, which stays: a machine that is taken away is replaced, and the
command goes on; so does the same command given again. Several GPUs of one machine are used by one process; several
machines are not: `launch.slurm` has those.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import modal

REPOSITORY = Path("/root/rsd_jax")
"""Where the checkout lies on the machine."""

_HERE = Path(__file__).resolve().parents[2] if modal.is_local() else REPOSITORY
_LOCKS = f"{REPOSITORY}/requirements"
_EGL = ("libegl1", "libgl1", "libgles2", "libglvnd0", "libglx0", "libopengl0")
_LEFT_HERE = (".git", ".venv*", "**/__pycache__", ".*_cache", ".hypothesis", "runs")

image = (
    modal.Image.debian_slim(python_version="3.12")
    .apt_install("git", "gcc", "g++", *_EGL)
    .add_local_dir(_HERE / "requirements", _LOCKS, copy=True)
    # As tools/set_up.sh and `make set-up-cuda` do it: the locks are complete, so nothing is resolved.
    .run_commands(
        f"python -m pip install --no-deps $(grep '^setuptools==' {_LOCKS}/py312.lock)",
        f"python -m pip install --no-deps --no-build-isolation --requirement {_LOCKS}/py312.lock",
        f"python -m pip install --no-deps --requirement {_LOCKS}/cuda13-py312.lock",
    )
    .env({"PYTHONPATH": str(REPOSITORY), "MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "egl"})
    .add_local_dir(_HERE, str(REPOSITORY), ignore=_LEFT_HERE)
)
runs = modal.Volume.from_name("rsd_jax-runs", create_if_missing=True)
app = modal.App("rsd_jax", image=image)


@app.function(volumes={str(REPOSITORY / "runs"): runs})
def run(command: tuple[str, ...], commit: str) -> int:
    """The exit status of ``python -m COMMAND``, on the machine.

    Args:
        command: module and arguments.
        commit: of the checkout, for the records of what runs.
    """
    environment = {**os.environ, "RSD_COMMIT": commit}
    try:
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=REPOSITORY, env=environment, check=False
        ).returncode
    finally:
        runs.commit()


class Order(NamedTuple):
    """What is to run, and on what: GPUs as Modal names them, None for none; cores; hours after which it is ended."""

    command: tuple[str, ...]
    gpu: str | None
    cpu: float
    hours: float


def read_order(arguments: tuple[str, ...]) -> Order:
    """The command line behind ``modal run launch/modal/app.py``.

    Exits with 2, as argparse does, for a command that the project does not have, or hours that Modal does not give.
    """
    from launch.command_list import commands

    parser = argparse.ArgumentParser(
        prog="modal run launch/modal/app.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpu", default="H100", help="as Modal names them, such as A100-80GB:2; none for a CPU alone")
    parser.add_argument("--cpu", type=float, default=16.0, help="cores (default %(default)s)")
    parser.add_argument("--hours", type=float, default=12.0, help="at most, then it is ended (default %(default)s)")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="launch.COMMAND ...", help="python -m launch lists them"
    )
    options = parser.parse_args(arguments)
    name = options.command[0] if options.command else ""
    if name.removeprefix("launch.") not in commands() or not name.startswith("launch."):
        parser.error(f"{name!r} is no command of the project: write launch.COMMAND ...; python -m launch lists them")
    if not 0 < options.hours <= 24:
        parser.error(f"--hours {options.hours:g} must be above 0 and at most 24, which Modal gives a function")
    gpu = None if options.gpu == "none" else options.gpu
    return Order(tuple(options.command), gpu, options.cpu, options.hours)


@app.local_entrypoint()
def main(*arguments: str) -> None:
    """Starts the machine, shows what the command prints, and ends with its exit status."""
    from rsd_jax.provenance import git_commit

    order = read_order(arguments)
    on_machine = run.with_options(gpu=order.gpu, cpu=order.cpu, timeout=round(3600 * order.hours))
    sys.exit(on_machine.remote(order.command, git_commit() or "unknown"))
