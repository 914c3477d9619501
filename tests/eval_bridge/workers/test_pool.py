"""The pool gives back every job exactly once, whatever happens to its workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from eval_bridge.workers.messages import Event, Failure, Question, Result
from eval_bridge.workers.pool import WorkerPool
from tests.eval_bridge.workers.pool_fakes import Squares
from tests.running_processes import processes_with, wait_until


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(2, Squares, silence_limit=100.0) as pool:
        yield pool


def next_event(pool: WorkerPool) -> Event:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        events = pool.events(timeout=1.0)
        if events:
            assert len(events) == 1
            return events[0]
    raise AssertionError("no event in 120 s")


def test_jobs_come_back_from_their_workers(pool):
    pool.submit(0, 3)
    pool.submit(1, 5)
    assert pool.idle == []
    results = {}
    while len(results) < 2:
        results |= {event.worker: (event.job, event.content) for event in pool.events()}
    assert results == {0: (3, 9), 1: (5, 25)}
    assert pool.idle == [0, 1]


def test_a_worker_asks_and_goes_on_with_the_answer(pool):
    pool.submit(0, "ask")
    assert next_event(pool) == Question(0, "ask", "what is it?")
    assert pool.idle == [1]
    pool.answer(0, 7)
    assert next_event(pool) == Result(0, "ask", 70)


def test_an_exception_is_told_with_its_traceback_and_the_next_job_has_a_fresh_handler(pool):
    pool.submit(0, 1)
    assert next_event(pool) == Result(0, 1, 1)
    before = pool.process_ids
    pool.submit(0, "crash")
    failure = next_event(pool)
    assert isinstance(failure, Failure)
    assert failure.error == "ZeroDivisionError('the bug of this job')"
    assert "pool_fakes.py" in failure.traceback
    pool.submit(0, "count")
    assert next_event(pool) == Result(0, "count", 1)
    assert pool.process_ids == before


@pytest.mark.parametrize("job", ["die", "die while speaking"])
def test_a_dead_worker_is_replaced_and_its_job_fails(pool, job):
    before = pool.process_ids
    pool.submit(1, job)
    failure = next_event(pool)
    assert (failure.worker, failure.job) == (1, job)
    assert "exit status 3" in failure.error
    assert pool.process_ids[0] == before[0]
    assert pool.process_ids[1] != before[1]
    pool.submit(1, 4)
    assert next_event(pool) == Result(1, 4, 16)


@pytest.mark.parametrize("is_asking", [False, True])
def test_a_worker_killed_from_outside_fails_its_job(pool, is_asking):
    pool.submit(0, "ask" if is_asking else "hang")
    if is_asking:
        assert isinstance(next_event(pool), Question)
    os.kill(pool.process_ids[0], signal.SIGKILL)
    if is_asking:
        pool.answer(0, 1)
    failure = next_event(pool)
    assert isinstance(failure, Failure)
    assert "SIGKILL" in failure.error


def test_a_worker_killed_while_idle_fails_the_job_it_is_given_next(pool):
    pool.submit(0, 1)
    next_event(pool)
    os.kill(pool.process_ids[0], signal.SIGKILL)
    time.sleep(0.2)
    pool.submit(0, 2)
    assert isinstance(next_event(pool), Failure)
    pool.submit(0, 2)
    assert next_event(pool) == Result(0, 2, 4)


def test_a_silent_worker_is_ended_and_replaced():
    with WorkerPool(1, Squares, silence_limit=2.0) as pool:
        before = pool.process_ids
        pool.submit(0, "hang")
        failure = next_event(pool)
        assert "no sign of life for 2 s" in failure.error
        assert pool.process_ids != before
        with pytest.raises(ProcessLookupError):
            os.kill(before[0], 0)


def test_workers_have_their_environments_and_no_jax():
    with WorkerPool(2, Squares, environments=[{"POOL_TEST": "a"}, {"POOL_TEST": "b"}]) as pool:
        seen = {}
        for worker in (0, 1):
            pool.submit(worker, "process")
            seen[worker] = next_event(pool).content
        assert [seen[worker] for worker in (0, 1)] == [
            (pool.process_ids[0], "a", False),
            (pool.process_ids[1], "b", False),
        ]


def test_a_terminals_interrupt_is_for_the_owner_alone(pool):
    """Ctrl-C goes to every process of the terminal's group; a worker must neither end by it nor tell of it."""
    pool.submit(0, "ask")
    assert isinstance(next_event(pool), Question)
    os.kill(pool.process_ids[0], signal.SIGINT)
    pool.answer(0, 7)
    assert next_event(pool) == Result(0, "ask", 70)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, set())  # of the owner


def test_leaving_the_pool_ends_its_processes():
    with WorkerPool(1, Squares) as pool:
        pool.submit(0, "hang")
        process = pool.process_ids[0]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


OWNER = """
from eval_bridge.workers.pool import WorkerPool
from tests.eval_bridge.workers.pool_fakes import Squares
with WorkerPool(3, Squares) as pool:
    pool.submit(0, "ask")
    while not pool.events():
        pass
    pool.submit(1, "hang")  # and the third waits for a job
    print("busy", flush=True)
    pool.events(timeout=600)
"""


def test_workers_do_not_outlive_a_killed_owner(tmp_path):
    environment = os.environ | {"OWNED_BY": str(tmp_path)}
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "busy\n"
        wait_until(lambda: len(processes_with(f"OWNED_BY={tmp_path}")) == 4)
        owner.kill()
    wait_until(lambda: not processes_with(f"OWNED_BY={tmp_path}"), seconds=30.0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, 1.0, [{}]), "workers=0"), ((1, 0.0, [{}]), "silence_limit=0"), ((1, 1.0, []), r"environments=\[\]")],
)
def test_impossible_pools_are_refused(arguments, named):
    count, silence, environments = arguments
    with pytest.raises(ValueError, match=named):
        WorkerPool(count, Squares, silence_limit=silence, environments=environments)
