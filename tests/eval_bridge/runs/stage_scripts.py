"""Stages of a few lines of Python, each a process of its own."""

import sys
import time
from pathlib import Path

from eval_bridge.runs.stage_process import PipelineStage

WRITES_OUTPUT = (
    "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.mkdir(parents=True); (p / 'metrics.json').write_text('1')"
)

SAVES_AT_TERM = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
if (folder / "latest").exists():
    time.sleep(0.2)
    (folder / "metrics.json").touch()
    sys.exit()

def save(number, frame):
    time.sleep(0.2)
    (folder / "latest").write_text("step 3")
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
(folder / "started").touch()
time.sleep(60)
"""
"""Like a training: saves at SIGTERM and exits with 143; finishes when it is called again."""


def python_stage(name: str, run_dir: Path, code: str = WRITES_OUTPUT) -> PipelineStage:
    """A stage that runs `code` with its folder as the only argument."""
    output = run_dir / name
    return PipelineStage(
        name, output, [sys.executable, "-c", code, str(output)], lambda folder: (folder / "metrics.json").exists()
    )


def wait_for(path: Path) -> None:
    """Waits until `path` exists."""
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)
