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
    """Notes SIGTERM and SIGINT as long as it is open, and sends SIGTERM to the process in its care.

    Whichever of the two arrives, the process gets SIGTERM: that is what training saves its state at. Its own processes
    get it too: simulators would else go on to the end of their episode, for nobody.

    Attributes:
        number: the signal that arrived last; None as long as there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._group: int | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def caring_for(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Passes requests on to `process`, the leader of a group, one that came while it started included."""
        self._group = process.pid
        if self.number is not None:
            self._forward()
        try:
            yield
        finally:
            self._group = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._forward()

    def _forward(self) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError):  # all of them have ended
                os.killpg(self._group, signal.SIGTERM)
