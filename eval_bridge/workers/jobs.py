"""One loop over the workers of a pool: who does what next, what becomes of results, and how often a crash is borne.

What to do is asked of a `JobSource`, one job at a time. A crash is an exception of the handler, or the death or the
silence of its process. The loop counts the crashes of each job, and notes that the worker has lost its scene; what a
crash means is for the source to say, and whatever it raises ends the loop.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from eval_bridge.workers.messages import AnswerT, Failure, JobT, Question, QuestionT, Result, ResultT
from eval_bridge.workers.pool import LONGEST_WAIT, WorkerPool
from eval_bridge.workers.scheduling import SceneAssignment

_ResultT = TypeVar("_ResultT", contravariant=True)


class JobSource(Protocol[JobT, _ResultT]):
    """Whose jobs are to be done. Jobs are hashable, and equal ones are one job."""

    def next_job(self, worker: int, scenes: SceneAssignment[int]) -> JobT | None:
        """The job that an idle worker shall do now; None where there is nothing for it, as long as nothing happens.

        Args:
            worker: its number.
            scenes: which task's scene it has, and whose it should have (`SceneAssignment.assign`).
        """
        ...

    def done(self, job: JobT, result: _ResultT) -> None:
        """Takes the result of a job."""
        ...

    def failed(self, failure: Failure[JobT], times: int) -> None:
        """Takes back a job that has now crashed so many `times`.

        To try it again, hand it out again by `next_job`; to give up on it, don't; to end everything, raise.
        """
        ...


def _answers_nothing(waiting: dict[int, Any]) -> None:
    raise RuntimeError(f"workers ask {waiting}, and nobody was named who answers; give JobLoop an `answer`.")


class JobLoop(Generic[JobT, ResultT, QuestionT, AnswerT]):
    """Keeps the workers of a pool busy with the jobs of one source after another; scenes last beyond a source."""

    def __init__(
        self,
        pool: WorkerPool[JobT, ResultT, QuestionT, AnswerT],
        answer: Callable[[dict[int, QuestionT]], None] = _answers_nothing,
    ) -> None:
        """Hands out nothing yet.

        Args:
            pool: its workers must be idle.
            answer: told what waits for an answer, by worker. It answers some of it at least (`WorkerPool.answer`) and
                takes that out; for the rest it is called again, as soon as further questions have been looked for.
        """
        self._pool, self._answer = pool, answer
        self._scenes = SceneAssignment[int]()

    def run(self, source: JobSource[JobT, ResultT], meanwhile: Callable[[], None] | None = None) -> None:
        """Runs jobs until all workers are idle and `source` has none for any of them.

        Args:
            source: of the jobs.
            meanwhile: called once, when the first jobs are handed out.

        Raises:
            Exception: whatever `source` or `answer` raises; workers may then still be busy, and leaving the pool ends
                them.
        """
        crashes: Counter[JobT] = Counter()
        waiting: dict[int, QuestionT] = {}  # by worker
        self._hand_out(source)
        if meanwhile is not None:
            meanwhile()
        while len(self._pool.idle) < len(self._pool):
            for event in self._pool.events(timeout=0.0 if waiting else LONGEST_WAIT):
                match event:
                    case Question(worker, _, question):
                        waiting[worker] = question
                    case Result(_, job, result):
                        source.done(job, result)
                    case Failure(worker, job):
                        waiting.pop(worker, None)
                        self._scenes.forget(worker)
                        crashes[job] += 1
                        source.failed(event, crashes[job])
            if waiting:
                self._answer(waiting)
            self._hand_out(source)

    def _hand_out(self, source: JobSource[JobT, ResultT]) -> None:
        for worker in self._pool.idle:
            job = source.next_job(worker, self._scenes)
            if job is not None:
                self._pool.submit(worker, job)
