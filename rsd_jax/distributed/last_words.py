"""What is said of a process of a run that JAX aborts because process 0 has died, by a small process beside it.

Whoever loses the connection to process 0 is aborted by JAX in the same moment, before any thread of Python gets a
turn, and JAX names nobody. So the process beside it, which runs this file and nothing else, waits for its end.
"""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

_UNNAMED = "process 0"
_BETWEEN = "\t"  # the name of process 0, and what this process fails for
_SECONDS_TO_CONNECT = 5.0
_TRIES, _SECONDS_BETWEEN = 5, 0.2  # a process that is killed closes what it has open one after the other


class LastWords:
    """The process beside this one; it says something only if this one ends without `leave`, and process 0 has too."""

    def __init__(self, address: str) -> None:
        """Starts it.

        Args:
            address: ``host:port`` of process 0.
        """
        # -I and -S: it starts in hundredths of a second, whatever is installed.
        command = [sys.executable, "-I", "-S", __file__, address]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._first, self._failure, self._told = "", "", ""
        self._telling = threading.Lock()  # or a name behind the last line would be spoken at a good end

    def name(self, first: str) -> None:
        """Tells how process 0 is called."""
        with self._telling:
            self._first = first
            self._tell()

    def fail(self, error: BaseException) -> None:
        """Tells what this process fails for, which may be the loss of process 0; it may not come to say so itself."""
        with self._telling:
            self._failure = " ".join(f"{type(error).__name__}: {error}".split())
            self._tell()

    def _tell(self) -> None:
        line = f"{self._first or _UNNAMED}{_BETWEEN}{self._failure}"
        if line != self._told:
            self._told = line
            self._write(f"{line}\n")

    def leave(self) -> None:
        """Nothing more is to be said: this process ends as it should, or says itself why not."""
        with self._telling:
            self._write("\n")
            if (pipe := self._process.stdin) is not None and not pipe.closed:
                with suppress(BrokenPipeError):
                    pipe.close()
                self._process.wait()

    def _write(self, line: str) -> None:
        if (pipe := self._process.stdin) is not None and not pipe.closed:
            with suppress(BrokenPipeError):  # somebody has killed it
                pipe.write(line.encode())
                pipe.flush()


def _is_gone(address: str) -> bool:
    """Whether nothing listens there, at once or soon."""
    host, _, port = address.rpartition(":")
    for _ in range(_TRIES):
        try:
            socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()
        except ConnectionRefusedError:
            return True
        except ConnectionError:  # it is being closed
            pass
        except OSError:  # a host or a network that is silent: not what JAX aborts for at once
            return False
        time.sleep(_SECONDS_BETWEEN)
    return False


def main(address: str) -> None:
    """Waits until nobody holds the other end of the input, and speaks if the last line there says of whom."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # which the terminal or the scheduler sends to all
    last = _UNNAMED
    for line in sys.stdin:
        last = line.rstrip("\n")
    first, _, failure = last.partition(_BETWEEN)
    if first and _is_gone(address):
        failed = f" This process had failed before: {failure}" if failure else ""
        sys.stderr.write(
            f"error: {first}, with whom all others speak, is gone: nothing answers at {address}; JAX has aborted this "
            f"process, as all others: the same command goes on from the latest checkpoint.{failed}\n"
        )


if __name__ == "__main__":
    main(sys.argv[1])
