"""What a pool's owner and its workers say to each other: types only."""

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")

_JobT = TypeVar("_JobT", contravariant=True)
_ResultT = TypeVar("_ResultT", covariant=True)
_QuestionT = TypeVar("_QuestionT", covariant=True)
_AnswerT = TypeVar("_AnswerT", contravariant=True)

Ask = Callable[[QuestionT], AnswerT]
"""Sends a question to the pool's owner and waits for the answer; ``Ask[Never, Never]`` asks nothing."""


class Handler(Protocol[_JobT, _ResultT, _QuestionT, _AnswerT]):
    """What a worker does with jobs. Made in the worker, once, and anew after a job that raised."""

    def run(self, job: _JobT, ask: Ask[_QuestionT, _AnswerT]) -> _ResultT:
        """Does one job and returns its result; both cross between processes by pickle."""
        ...

    def close(self) -> None:
        """Releases what the handler holds."""
        ...


class Question(NamedTuple, Generic[JobT, QuestionT]):
    """Worker `worker` wants to know something for its `job`; it waits for `WorkerPool.answer`."""

    worker: int
    job: JobT
    content: QuestionT


class Result(NamedTuple, Generic[JobT, ResultT]):
    """Worker `worker` has finished `job`."""

    worker: int
    job: JobT
    content: ResultT


class Failure(NamedTuple, Generic[JobT]):
    """`job` has no result: an `error` was raised (with its `traceback`), or the worker died or hung (without)."""

    worker: int
    job: JobT
    error: str
    traceback: str


Event = Result[JobT, ResultT] | Question[JobT, QuestionT] | Failure[JobT]
"""What a worker says."""
