"""Processes that run jobs one at a time, may ask their owner questions on the way, and are replaced when they die.

A worker is a fresh interpreter (a renderer does not survive a fork, and the owner's modules, JAX among them, are not
imported again) with a `Handler` of its own. Whatever happens to it, every job that was submitted comes back exactly
once: as a `Result`, or as a `Failure` that says how the worker crashed, died or fell silent.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Any, Generic, Self

from eval_bridge.workers.messages import AnswerT, Event, Failure, Handler, JobT, Question, QuestionT, ResultT

SILENCE_LIMIT = 300.0
"""Seconds without a word after which a busy worker counts as hung: far more than it takes to compile a scene."""

LONGEST_WAIT = 1.0
"""Seconds between looks at silent workers."""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Workers share the cores by being many; their small matrices only lose time on further threads."""

_WAIT_ASLEEP = {"__GL_YIELD": "USLEEP"}
"""NVIDIA's driver waits for a frame by spinning unless told otherwise, and takes the core from another simulator."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    job: Any = None
    is_busy: bool = False
    last_word: float = field(default_factory=time.monotonic)


class WorkerPool(Generic[JobT, ResultT, QuestionT, AnswerT]):
    """A fixed number of workers, numbered from 0. A context manager; leaving it ends all workers at once.

    They end with their owner too, even if it is killed: with its thread that started them (`worker_process.end_with`).

    Between processes everything goes by pickle: that jobs, results, questions and answers are of these types is what
    the handler declares.
    """

    def __init__(
        self,
        count: int,
        make_handler: Callable[[], Handler[JobT, ResultT, QuestionT, AnswerT]],
        *,
        silence_limit: float = SILENCE_LIMIT,
        environments: Sequence[Mapping[str, str]] = ({},),
    ) -> None:
        """Starts the workers.

        Args:
            count: number of workers.
            make_handler: called in each worker; must be picklable.
            silence_limit: seconds without a word after which a busy worker is replaced.
            environments: environment variables of the workers besides this process's own; worker i gets those of
                index i modulo their number (to spread renderers over devices).

        Raises:
            ValueError: `count` or `silence_limit` is not positive, there is no environment, or `make_handler` is
                defined in the program that runs.
        """
        if count < 1 or silence_limit <= 0 or not environments:
            raise ValueError(
                f"workers={count} and silence_limit={silence_limit} must be positive, and environments={environments} "
                "must have at least one entry ({} adds no variable)."
            )
        self._make_handler = pickle.dumps(make_handler)
        if b"__main__" in self._make_handler:
            raise ValueError(
                f"make_handler={make_handler} names something of the running program, which workers cannot import; "
                "define it in a module of its own."
            )
        self._silence_limit = silence_limit
        self._environments = environments
        self._workers = [self._start(index) for index in range(count)]

    def __len__(self) -> int:
        """Number of workers."""
        return len(self._workers)

    @property
    def idle(self) -> list[int]:
        """Workers without a job."""
        return [index for index, worker in enumerate(self._workers) if not worker.is_busy]

    @property
    def process_ids(self) -> list[int]:
        """Process of each worker now; a replaced worker has another one."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, worker: int, job: JobT) -> None:
        """Gives an idle worker a job. A worker that died while idle fails it at once, by an event."""
        chosen = self._workers[worker]
        assert not chosen.is_busy, f"worker {worker} has a job"
        chosen.job, chosen.is_busy, chosen.last_word = job, True, time.monotonic()
        _send(chosen, job)

    def answer(self, worker: int, content: AnswerT) -> None:
        """Answers the question of a worker; nothing happens if it died since it asked."""
        self._workers[worker].last_word = time.monotonic()
        _send(self._workers[worker], content)

    def events(self, timeout: float = LONGEST_WAIT) -> list[Event[JobT, ResultT, QuestionT]]:
        """What workers said since the last call; waits up to `timeout` seconds for the first of it."""
        busy = {worker.connection: index for index, worker in enumerate(self._workers) if worker.is_busy}
        ready = wait(list(busy), timeout) if busy else []
        events: list[Event[JobT, ResultT, QuestionT]] = [
            self._receive(busy[connection]) for connection in ready if isinstance(connection, Connection)
        ]
        return events + self._end_silent(set(busy.values()) - {event.worker for event in events})

    def close(self) -> None:
        """Ends all workers, whatever they are doing. May be called twice."""
        for worker in self._workers:
            _end(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, index: int) -> _Worker:
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "eval_bridge.workers.process", str(os.getpid()), str(theirs.fileno())]
        environment = {
            **_WAIT_ASLEEP,
            **os.environ,
            **_ONE_THREAD,
            **self._environments[index % len(self._environments)],
        }
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        with _interrupts_held():
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL)
        theirs.close()  # so that the end of the process is the end of the connection
        worker = _Worker(process, ours)
        _send(worker, self._make_handler)
        return worker

    def _receive(self, index: int) -> Event[JobT, ResultT, QuestionT]:
        worker = self._workers[index]
        try:
            event: Event[JobT, ResultT, QuestionT] = worker.connection.recv()._replace(worker=index, job=worker.job)
        except (EOFError, OSError):  # the latter where it died in the middle of a message
            return self._replace(index, _death(worker.process))
        worker.last_word = time.monotonic()
        if not isinstance(event, Question):
            worker.job, worker.is_busy = None, False
        return event

    def _end_silent(self, candidates: set[int]) -> list[Failure[JobT]]:
        now = time.monotonic()
        silent = [index for index in candidates if now - self._workers[index].last_word > self._silence_limit]
        reason = f"the worker process gave no sign of life for {self._silence_limit:g} s and was ended"
        return [self._replace(index, reason) for index in sorted(silent)]

    def _replace(self, index: int, reason: str) -> Failure[JobT]:
        """Puts a fresh worker in the place of a dead or hung one; what the old one had to do has failed."""
        old = self._workers[index]
        _end(old)
        self._workers[index] = self._start(index)
        return Failure(index, old.job, reason, "")


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started here never see a terminal's Ctrl-C, which is their owner's to handle, as soon as this ends."""
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _send(worker: _Worker, content: Any) -> None:
    # A dead worker cannot be sent anything, which the next look at its connection tells; its job then fails there.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        worker.connection.send(content)


def _end(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.wait()


def _death(process: subprocess.Popen[bytes]) -> str:
    code = process.wait()
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
    return f"the worker process died {how} (killed, out of memory, or a crash of the physics or the renderer)"
