"""What a run needs of its machine: checks of seconds that write nothing, so that nothing fails hours later."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from eval_bridge.provenance import SIMULATOR_PACKAGES, simulator_versions
from eval_bridge.simulators.check_result import CheckResult
from eval_bridge.simulators.libero.installed_files import require_installed_libero
from eval_bridge.simulators.libero.renderer import RENDERING_OFF, choose_renderer, require_render_devices
from rsd_jax.provenance import library_versions

REPORT_PACKAGES = ("jinja2", "matplotlib", "av")
"""What pages, plots and films are made with."""

_PROCESS_SECONDS = 300

_IMPORT = """
import importlib, sys
failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{name} ({type(error).__name__}: {error})")
print(", ".join(sys.argv[1:]))
sys.exit("cannot import " + ", ".join(failed) if failed else 0)
"""
_IMPORT_SIMULATOR = """
from eval_bridge.simulators.libero.quiet_import import import_libero
import_libero()
print("imported")
"""
_COMPUTE = """
import sys
from rsd_jax.distributed.device import NoDeviceError, require_device
try:
    require_device()
except NoDeviceError as error:
    sys.exit(str(error))
import jax
devices = jax.devices()
jax.block_until_ready(jax.numpy.arange(8) + 1)
print(f"{len(devices)} x {devices[0].device_kind}")
"""


class Requirement(NamedTuple):
    """Something that must be so.

    Attributes:
        name: what is asked, in a few words.
        check: returns what was found, in a few words, or raises what is wrong.
    """

    name: str
    check: Callable[[], str]


class RequirementsNotMet(ValueError):
    """Something is missing that a later stage needs; nothing was started, and nothing written."""

    def __init__(self, results: Sequence[CheckResult]) -> None:
        """Lists all failed checks in the message, one a line."""
        self.results = results
        failed = [f"  {result.name}: {result.detail}" for result in results if not result.passed]
        super().__init__("\n".join([f"nothing was started: {len(failed)} of {len(results)} checks failed", *failed]))


def check_all(requirements: Sequence[Requirement]) -> list[CheckResult]:
    """Runs all checks, those in processes of their own at the same time; returns the results in order."""
    with ThreadPoolExecutor(max(len(requirements), 1), thread_name_prefix="check") as pool:
        return list(pool.map(_run, requirements))


def require_met(results: Sequence[CheckResult]) -> None:
    """Raises `RequirementsNotMet`, whose message has all that failed, if one of the checks did."""
    if not all(result.passed for result in results):
        raise RequirementsNotMet(results)


def _run(requirement: Requirement) -> CheckResult:
    started = time.monotonic()
    try:
        detail, passed = requirement.check(), True
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        detail, passed = str(error), False
    return CheckResult(requirement.name, passed, detail, time.monotonic() - started)


def check_libraries() -> str:
    """Every library whose version belongs to a checkpoint says it."""
    return _listed(library_versions())


def check_simulator_packages() -> str:
    """LIBERO's packages say their versions, these are the ones that results hold for, and LIBERO comes from them."""
    versions = simulator_versions()
    wrong = [
        f"{name} {versions[name]}, where {asked} is asked"
        for name, asked in SIMULATOR_PACKAGES.items()
        if not f"{versions[name]}.".startswith(f"{asked}.")
    ]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: another version simulates something else; install what setup.py says")
    require_installed_libero()
    return _listed(versions)


def check_simulator_import() -> str:
    """LIBERO can be imported; no renderer is needed for that."""
    return _in_process(_IMPORT_SIMULATOR, MUJOCO_GL=RENDERING_OFF[0])


def check_renderer(devices: Sequence[int] = ()) -> str:
    """An offscreen renderer renders, on each of `devices`, and is chosen for all that this process starts."""
    renderer = choose_renderer()
    require_render_devices(devices)
    return f"{renderer}, devices {', '.join(map(str, devices))}" if devices else renderer


def check_imports(*names: str) -> str:
    """Python packages can be imported."""
    return _in_process(_IMPORT, *names)


def check_device() -> str:
    """JAX finds the device that it will compute on, and computes; in a process whose end frees the device's memory."""
    return _in_process(_COMPUTE, XLA_PYTHON_CLIENT_PREALLOCATE="false")


def check_disk(folder: Path, needed: int) -> str:
    """The file system of `folder` has so many bytes free."""
    free = shutil.disk_usage(_existing(folder)).free
    if free < needed:
        raise OSError(f"{folder} has {_gigabytes(free)} free, and about {_gigabytes(needed)} will be written there")
    return f"{_gigabytes(free)} free, about {_gigabytes(needed)} needed"


def check_writable(folders: Iterable[Path]) -> str:
    """All of `folders`, or what they will be made in, can be written to."""
    wrong = []
    for folder in dict.fromkeys(folders):
        found = _existing(folder)
        if not found.is_dir():
            wrong.append(f"cannot make {folder}: {found} is not a folder")
        elif not os.access(found, os.W_OK | os.X_OK):
            wrong.append(f"cannot write {folder}: no permission to write in {found}")
    if wrong:
        raise OSError("; ".join(wrong))
    return "can be written"


def _existing(folder: Path) -> Path:
    """`folder`, or the nearest above it that exists."""
    absolute = folder.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.exists())


def _in_process(code: str, *arguments: str, **environment: str) -> str:
    """Runs `code` in a process of its own, since a broken driver may abort it; returns its last line.

    Raises:
        RuntimeError: it failed; the message is the last line of what it wrote.
    """
    command = [sys.executable, "-c", code, *arguments]
    variables = {**os.environ, **environment}
    try:
        process = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=_PROCESS_SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer within {_PROCESS_SECONDS} s") from None
    written = process.stdout if process.returncode == 0 else process.stderr
    lines = written.strip().splitlines()
    if process.returncode != 0:
        raise RuntimeError(lines[-1] if lines else f"the process ended with status {process.returncode}")
    return lines[-1]


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
