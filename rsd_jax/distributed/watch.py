"""What a process concludes from the signs of life of the others, by its own clock: who is lost, stuck or has failed.

Nothing here reads a clock, sleeps or speaks with anybody: times are given, in seconds of any one clock.
"""

from typing import NamedTuple

LIVING, STUCK, DONE, FAILED = "living", "stuck", "done", "failed"

SECONDS_OF_GRACE = 5.0
"""In which a process may notice by itself that another has failed, before it is ended for that."""

_BUSY_SHARE = 0.02


class Sign(NamedTuple):
    """What a process tells of itself.

    Attributes:
        process: which of the run. host, pid: where it runs.
        state: `LIVING`, `STUCK` (it takes steps, does nothing, and waits for nobody), `DONE` or `FAILED`.
        waits: seconds that it has been waiting for others.
        number: of the sign, so that a new one is told from an old one.
        message: why it has failed.
    """

    process: int
    host: str
    pid: int
    state: str
    waits: float
    number: int
    message: str = ""

    def __str__(self) -> str:
        return f"process {self.process} (pid {self.pid} on {self.host})"

    @property
    def has_left(self) -> bool:
        """Whether no other sign will follow."""
        return self.state in (DONE, FAILED)


class Watch:
    """What one process has seen of all of a run."""

    def __init__(self, process: int, count: int, limit: float, stuck_limit: float) -> None:
        """Begins with nothing seen.

        Args:
            process: which one watches, of `count`.
            limit: seconds without a sign after which a process is lost.
            stuck_limit: seconds after which one is stuck that others wait for; also, if longer, until a first sign.
        """
        self._process, self._count = process, count
        self._limit, self._stuck_limit = limit, stuck_limit
        self._seen: dict[int, tuple[Sign | None, float]] = {}

    def name(self, process: int) -> str:
        """How a process is called, with its host and pid once it has told of them."""
        sign, _ = self._seen.get(process, (None, 0.0))
        return str(sign or f"process {process}")

    def judge(self, signs: dict[int, Sign], now: float) -> str | None:
        """Why the process that watches has to end, if it has.

        Args:
            signs: process -> its newest sign; none of those that have not given any.
            now: when they were read.
        """
        others_wait = any(sign.waits > self._stuck_limit for sign in signs.values())
        for process in range(self._count):
            sign = signs.get(process)
            if process not in self._seen or self._seen[process][0] != sign:
                self._seen[process] = sign, now
            if reason := self._reason(process, sign, now - self._seen[process][1], others_wait):
                return f"{self.name(process)} {reason}"
        return None

    def _reason(self, process: int, sign: Sign | None, silent: float, others_wait: bool) -> str | None:
        if sign is not None and sign.state == FAILED:
            return f"has failed: {sign.message}" if silent > SECONDS_OF_GRACE else None
        if sign is not None and sign.state == STUCK and others_wait:
            return f"is stuck: others have waited for it for {self._stuck_limit:g} s, and it computes nothing"
        if process == self._process or (sign is not None and sign.state == DONE):
            return None
        limit = max(self._limit, self._stuck_limit) if sign is None else self._limit
        return f"has given no sign of life for {limit:g} s" if silent > limit else None


class Idleness:
    """Since when a process has computed nothing, by the processor's time that it has taken."""

    def __init__(self, computed: float, now: float) -> None:
        """Begins to measure.

        Args:
            computed: seconds of the processor that the process has taken so far.
            now: when.
        """
        self._computed, self._measured = computed, now
        self._since: float | None = None

    def update(self, computed: float, now: float, waits: bool) -> None:
        """Takes note of what was computed since the last time; one that waits for others isn't idle."""
        is_busy = computed - self._computed > _BUSY_SHARE * (now - self._measured)
        if is_busy or waits:
            self._since = None
        elif self._since is None:
            self._since = now
        self._computed, self._measured = computed, now

    def end(self) -> None:
        """What was seen so far does not count."""
        self._since = None

    def seconds(self, now: float) -> float:
        """How long the process has been idle."""
        return 0.0 if self._since is None else now - self._since
