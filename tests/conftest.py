"""Settings of every test, and the miniature run that many of them read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from eval_bridge.preflight.checks_to_run import quick_compilation

# Tests compare bits and run beside a renderer: never on an accelerator, and never from a cache of another run.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
# Nearly all of the tests' time is compilation of programs that run for milliseconds.
os.environ.setdefault("XLA_FLAGS", quick_compilation())


@pytest.fixture(scope="session")
def preflight_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of a whole preflight in which everything passed, run as users run it. Not to be written to."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    run_dir, table = shared / "preflight", shared / "preflight.json"
    with FileLock(shared / "preflight.lock"):
        if not table.exists():
            run_dir.mkdir()
            command = [sys.executable, "-m", "launch.preflight", "--keep", str(run_dir), "--json", str(table)]
            process = subprocess.run(command, capture_output=True, text=True)
            assert process.returncode == 0, process.stdout + process.stderr
    return run_dir
