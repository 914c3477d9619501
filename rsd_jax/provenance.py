"""Which machine, code and packages a result comes from."""

import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jax

import rsd_jax


def device_name() -> str:
    """The device that JAX computes on, for a reader: ``NVIDIA H100`` or ``CPU: Intel Xeon (2 cores)``."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return str(device.device_kind)
    return f"CPU: {_processor_name()} ({os.cpu_count()} cores)"


def device_slug(device: str) -> str:
    """A device's name as files have it: ``nvidia_h100``, ``cpu_intel_xeon_2_cores``."""
    return re.sub(r"[^a-z0-9]+", "_", device.lower()).strip("_")


@cache
def library_versions() -> dict[str, str]:
    """Versions of Python, rsd_jax and the libraries that decide what a checkpoint means."""
    libraries = {name: version(name) for name in ("jax", "flax", "optax", "orbax-checkpoint", "numpy")}
    return {"python": platform.python_version(), "rsd_jax": rsd_jax.__version__, **libraries}


@cache
def git_commit() -> str | None:
    """Commit of the checkout this code runs from, or ``None`` where it runs from none or there is no git.

    An installation may lie in the folder of another project, whose commit says nothing about this code.
    A copy without its history, such as in a container, tells its commit by the variable ``RSD_COMMIT``.
    """
    if os.environ.get("RSD_COMMIT"):
        return os.environ["RSD_COMMIT"]
    file = Path(__file__)
    if _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    return _git(file.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints in `folder`; None where it fails or is not there."""
    command = ["git", *arguments]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None


def _processor_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
