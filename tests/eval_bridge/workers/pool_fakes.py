"""Handlers for the worker pool, importable by worker processes."""

import os
import struct
import sys
import time
from typing import Any

from eval_bridge.workers.messages import Ask


class Squares:
    """Squares numbers; remembers how many. Some jobs make it ask, crash, die or hang instead."""

    def __init__(self) -> None:
        self.done = 0

    def run(self, job: Any, ask: Ask) -> Any:
        self.done += 1
        match job:
            case "ask":
                return 10 * ask("what is it?")
            case "crash":
                raise ZeroDivisionError("the bug of this job")
            case "die":
                os._exit(3)
            case "die while speaking":
                # The length of a message, as connections write it, and half of the message.
                os.write(int(sys.argv[2]), struct.pack("!i", 100) + bytes(50))
                os._exit(3)
            case "hang":
                time.sleep(600)
            case "count":
                return self.done
            case "process":
                return os.getpid(), os.environ.get("POOL_TEST"), "jax" in sys.modules
        return job**2

    def close(self) -> None:
        pass
