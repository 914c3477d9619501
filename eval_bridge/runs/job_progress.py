"""One line of progress for several processes at once: how many are done, and the last word of each that runs."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_BAR_WIDTH = 20
_LINE_WIDTH = 118
_REWRITE = "\r\x1b[2K"


class JobProgress:
    """A bar over jobs; safe to use from several threads. On a real terminal it is rewritten in place."""

    def __init__(self, terminal: TextIO, total: int) -> None:
        """Shows nothing yet.

        Args:
            terminal: where to show it.
            total: number of jobs.
        """
        self._terminal, self._total = terminal, total
        self._done = 0
        self._running: dict[str, str] = {}
        self._lock = threading.Lock()

    def skip(self, job: str) -> None:
        """Counts a job that is done already, and says so."""
        self._finish(job, "already there")

    @contextmanager
    def running(self, job: str) -> Iterator[TextIO]:
        """While a job runs: yields what its last line is written to, and says how it ended."""
        started = time.monotonic()
        with self._lock:
            self._running[job] = ""
            self._say(f"{job} begins")
        try:
            yield _LastLine(self, job)
        except BaseException:
            self._finish(job, f"ended after {time.monotonic() - started:.0f} s without its result")
            raise
        self._finish(job, f"finished in {time.monotonic() - started:.0f} s")

    def tell(self, job: str, line: str) -> None:
        """Shows the last line of a job that runs."""
        with self._lock:
            if job in self._running:
                self._running[job] = line
                self._show()

    def say(self, text: str) -> None:
        """Prints lines of their own."""
        with self._lock:
            self._say(text)

    def close(self) -> None:
        """Removes the bar."""
        if self._terminal.isatty():
            self._terminal.write(_REWRITE)
            self._terminal.flush()

    def _finish(self, job: str, how: str) -> None:
        with self._lock:
            self._running.pop(job, None)
            self._done += 1
            self._say(f"[{self._done}/{self._total}] {job} {how}")

    def _say(self, text: str) -> None:
        self._terminal.write(f"{_REWRITE if self._terminal.isatty() else ''}{text}\n")
        self._terminal.flush()
        self._show()

    def _show(self) -> None:
        if not self._terminal.isatty():
            return
        filled = _BAR_WIDTH * self._done // max(self._total, 1)
        bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
        jobs = " | ".join(f"{job}: {line}" if line else job for job, line in self._running.items())
        self._terminal.write(f"{_REWRITE}{f'[{bar}] {self._done}/{self._total} {jobs}'[:_LINE_WIDTH]}")
        self._terminal.flush()


class _LastLine(io.StringIO):
    """A terminal that keeps nothing: what is written there is a job's last line (see `run_stage`)."""

    def __init__(self, progress: JobProgress, job: str) -> None:
        super().__init__()
        self._progress, self._job = progress, job

    def isatty(self) -> bool:
        """So that every line is written, and not one every half minute."""
        return True

    def write(self, text: str) -> int:
        """Shows what is not an escape sequence alone."""
        if line := text.replace(_REWRITE, "").strip():
            self._progress.tell(self._job, line)
        return len(text)
