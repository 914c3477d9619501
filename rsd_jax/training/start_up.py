"""Where the time between the start of the process and the first step went."""

import os
import time
from pathlib import Path


class StartUp:
    """Seconds by phase, one phase after the other, since this process began."""

    def __init__(self) -> None:
        """What was before this call belongs to the first phase that is noted."""
        self.seconds: dict[str, float] = {}
        self._noted = time.monotonic() - _process_age()

    def note(self, phase: str) -> None:
        """All that was since the last note was `phase`."""
        now = time.monotonic()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._noted
        self._noted = now

    def __str__(self) -> str:
        phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in self.seconds.items())
        return f"first step after {sum(self.seconds.values()):.1f} s: {phases}"


def _process_age() -> float:
    """Seconds since the kernel started this process, to a hundredth."""
    # Behind the command's name, which may hold spaces and brackets; see proc_pid_stat(5).
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
