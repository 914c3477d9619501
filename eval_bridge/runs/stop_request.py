"""SIGTERM and SIGINT as a request to save and stop, passed on to the process that has something to save."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(RuntimeError):
    """A stage ended because a stop was requested; what it made so far is kept.

    Attributes:
        exit_status: 128 plus the signal's number, as shells and schedulers report it.
    """

    def __init__(self, number: int, where: str) -> None:
        """Says which signal arrived, and `where` the work is."""
        super().__init__(f"stopped by {signal.Signals(number).name} {where}")
        self.exit_status = 128 + number


class StopRequest:
    """Notes SIGTERM and SIGINT as long as it is open, and sends SIGTERM to all processes in its care.

    Whichever of the two arrives, a process gets SIGTERM: that is what training saves its state at. Its own processes
    get it too: simulators would else go on to the end of their episode, for nobody.

    Attributes:
        number: the signal that arrived last; None as long as there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._groups: set[int] = set()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def caring_for(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Passes requests on to `process`, the leader of a group, one that came while it started included.

        Several threads may have processes cared for at the same time.
        """
        self._groups.add(process.pid)
        if self.number is not None:
            _terminate(process.pid)
        try:
            yield
        finally:
            self._groups.discard(process.pid)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        for group in tuple(self._groups):
            _terminate(group)


def _terminate(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of them have ended
        os.killpg(group, signal.SIGTERM)
