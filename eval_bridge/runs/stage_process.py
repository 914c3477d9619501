"""One stage of a pipeline as a process of its own: its command, its log, and one line of progress."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, TextIO

from eval_bridge.runs.stop_request import Stopped, StopRequest

SECONDS_BETWEEN_PLAIN_LINES = 30.0

_ENDED_AS_ASKED = (0, 128 + signal.SIGTERM, -signal.SIGTERM)
"""Exit statuses of a process that SIGTERM ended: its own ones, and that of a process that does not listen to it."""


class StageFailure(RuntimeError):
    """A stage ended with an error. The message names the stage, the command and the log."""


@dataclass(frozen=True)
class PipelineStage:
    """One stage of a pipeline.

    Attributes:
        name: what users call it: ``--config.from_stage=NAME``, ``logs/NAME.log``.
        output: the folder or file that it makes.
        command: arguments of the process.
        is_finished: whether `output` holds everything that the stage makes.
        reads: names of the stages whose outputs it reads; None for all before it.
    """

    name: str
    output: Path
    command: Sequence[str]
    is_finished: Callable[[Path], bool]
    reads: Sequence[str] | None = None

    def __str__(self) -> str:
        """The command as one would type it."""
        return shlex.join(["python" if part == sys.executable else part for part in self.command])


def run_stage(stage: PipelineStage, log_path: Path, terminal: TextIO, stop: StopRequest) -> None:
    """Runs `stage` to its end, or until a stop is requested.

    Everything it says is added to `log_path`; `terminal` shows the last line of it (rewritten in place where it is a
    real terminal, else one line every half minute).

    Args:
        stage: what to run.
        log_path: log of all pieces of the stage.
        terminal: where to show progress.
        stop: asks the process to save and end; it is waited for, however long that takes.

    Raises:
        StageFailure: the process failed, or ended well without leaving what it should have made.
        Stopped: the process ended at the request of `stop`, before it had finished.
    """
    started = time.monotonic()
    progress = _Progress(terminal)
    with (
        log_path.open("ab") as log,
        subprocess.Popen(
            stage.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A terminal's Ctrl-C would reach the stage as SIGINT, at which training saves nothing. Should this process
            # be killed, the stage ends at its next line, which nobody reads.
            process_group=0,
        ) as process,
        stop.caring_for(process),
    ):
        log.write(f"--- {datetime.now().isoformat(timespec='seconds')} {stage}\n".encode())
        assert process.stdout is not None
        for line in _lines(process.stdout, log):
            progress.show(line)
    progress.clear()
    seconds = time.monotonic() - started
    is_finished = process.returncode == 0 and stage.is_finished(stage.output)
    if not is_finished and stop.number is not None and process.returncode in _ENDED_AS_ASKED:
        raise Stopped(stop.number, f"in stage {stage.name} after {seconds:.0f} s")
    if process.returncode != 0:
        raise StageFailure(_describe(stage, log_path, f"failed with exit status {process.returncode}", seconds))
    if not is_finished:
        raise StageFailure(_describe(stage, log_path, f"ended without completing {stage.output}", seconds))


def _lines(stream: IO[bytes], log: BinaryIO) -> Iterator[str]:
    """Copies `stream` into `log` as it comes, and yields its lines, those that a progress bar overwrites included."""
    rest = b""
    while chunk := stream.read1(4096):  # type: ignore[attr-defined]  # a pipe's reader is a BufferedReader
        log.write(chunk)
        log.flush()
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line.strip():
                yield line.decode(errors="replace").strip()


def _describe(stage: PipelineStage, log_path: Path, what: str, seconds: float) -> str:
    last_lines = log_path.read_text(errors="replace").replace("\r", "\n").rstrip().splitlines()[-8:]
    return "\n".join(
        [f"stage {stage.name} {what} after {seconds:.0f} s; its last lines:"]
        + [f"    {line}" for line in last_lines]
        + [f"  command  {stage}", f"  log      {log_path}"]
    )


class _Progress:
    """The last line of a process, shown compactly."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal
        self.rewrites = terminal.isatty()
        self.shown_at = time.monotonic()

    def show(self, line: str) -> None:
        if self.rewrites:
            self.terminal.write(f"\r\x1b[2K    {line[:100]}")
            self.terminal.flush()
        elif time.monotonic() - self.shown_at > SECONDS_BETWEEN_PLAIN_LINES:
            self.terminal.write(f"    {line[:100]}\n")
            self.terminal.flush()
            self.shown_at = time.monotonic()

    def clear(self) -> None:
        if self.rewrites:
            self.terminal.write("\r\x1b[2K")
            self.terminal.flush()
