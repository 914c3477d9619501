"""Modules of this repository as processes of their own, for tests of several of them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from eval_bridge.preflight.checks_to_run import quick_compilation

REPOSITORY = Path(__file__).parents[3]
TIMEOUT = 600  # of a hanging run; on an idle machine they take seconds
QUICK_COMPILATION = quick_compilation()
TWO_DEVICES, FOUR_DEVICES = (
    {"XLA_FLAGS": f"{QUICK_COMPILATION} --xla_force_host_platform_device_count={count}"} for count in (2, 4)
)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def start(module: str, *arguments: str, **variables: str) -> subprocess.Popen:
    """Starts ``python -m module`` on the CPU, with one device unless `variables` say otherwise."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICK_COMPILATION, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs_of(*processes: subprocess.Popen) -> list[str]:
    """Waits for processes and returns their standard output; a failed one fails the test with its errors."""
    try:
        outputs = [process.communicate(timeout=TIMEOUT) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    return [output for output, _ in outputs]
