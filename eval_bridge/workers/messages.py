"""What a pool's owner and its workers say to each other: types only."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

Ask = Callable[[Any], Any]
"""Sends a question to the pool's owner and waits for the answer."""


class Handler(Protocol):
    """What a worker does with jobs. Made in the worker, once, and anew after a job that raised."""

    def run(self, job: Any, ask: Ask) -> Any:
        """Does one job and returns its result; both cross between processes by pickle."""
        ...

    def close(self) -> None:
        """Releases what the handler holds."""
        ...


class Question(NamedTuple):
    """Worker `worker` wants to know something for its `job`; it waits for `WorkerPool.answer`."""

    worker: int
    job: Any
    content: Any


class Result(NamedTuple):
    """Worker `worker` has finished `job`."""

    worker: int
    job: Any
    content: Any


class Failure(NamedTuple):
    """`job` has no result: an `error` was raised (with its `traceback`), or the worker died or hung (without)."""

    worker: int
    job: Any
    error: str
    traceback: str


Event = Question | Result | Failure
