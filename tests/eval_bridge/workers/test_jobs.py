"""The loop over workers, without processes: a pool of this file does what its script says about each job."""

from collections import deque

import pytest

from eval_bridge.workers.jobs import JobLoop
from eval_bridge.workers.messages import Failure, Question, Result


class ScriptedPool:
    """Does the jobs of its workers in turn; a job is a task index and a name, and the name says what happens."""

    def __init__(self, count):
        self.jobs = dict.fromkeys(range(count))
        self.log = []  # (worker, job), as handed out
        self.answers = {}
        self.asking = {}

    def __len__(self):
        return len(self.jobs)

    @property
    def idle(self):
        return [worker for worker, job in self.jobs.items() if job is None]

    def submit(self, worker, job):
        assert self.jobs[worker] is None
        self.jobs[worker] = job
        self.log.append((worker, job))

    def answer(self, worker, content):
        del self.asking[worker]
        self.answers[worker] = content

    def events(self, timeout):
        busy = [worker for worker, job in self.jobs.items() if job is not None]
        assert busy, "nothing would ever happen"
        for worker in busy:
            _, name = job = self.jobs[worker]
            if name == "ask" and worker not in self.answers and worker not in self.asking:
                self.asking[worker] = f"question of {worker}"
                return [Question(worker, job, self.asking[worker])]
            if worker in self.asking:
                continue
            self.jobs[worker] = None
            if name == "crash":
                return [Failure(worker, job, "boom", "")]
            return [Result(worker, job, self.answers.pop(worker, name.upper()))]
        return []


class Queue:
    """Jobs of tasks; a job may crash `max_crashes` times, and then others of its task are dropped, or all ends."""

    def __init__(self, *jobs, max_crashes=2, ends=False):
        self.waiting = {task: deque(job for job in jobs if job[0] == task) for task in {job[0] for job in jobs}}
        self.max_crashes, self.ends = max_crashes, ends
        self.results, self.failures = [], []

    def next_job(self, worker, scenes):
        task = scenes.assign(worker, {task: len(jobs) for task, jobs in self.waiting.items()})
        return None if task is None else self.waiting[task].popleft()

    def done(self, job, result):
        self.results.append((job, result))

    def failed(self, failure, times):
        self.failures.append((failure.job, times))
        if times < self.max_crashes:
            self.waiting[failure.job[0]].append(failure.job)
        elif self.ends:
            raise RuntimeError(f"{failure.job} crashed {times} times")


@pytest.mark.parametrize("workers", [1, 3])
def test_every_job_is_done_once_and_workers_stay_with_their_task(workers):
    jobs = [(task, name) for name in "abc" for task in (0, 1)]
    pool, queue = ScriptedPool(workers), Queue(*jobs)
    JobLoop(pool).run(queue)
    assert sorted(queue.results) == sorted((job, job[1].upper()) for job in jobs)
    if workers == 1:
        assert [task for _, (task, _) in pool.log] == [0, 0, 0, 1, 1, 1]


def test_crashes_are_counted_by_job_and_the_source_decides_about_the_last_one():
    queue = Queue((0, "crash"), (0, "a"), (1, "b"))
    JobLoop(ScriptedPool(2)).run(queue)
    assert queue.failures == [((0, "crash"), 1), ((0, "crash"), 2)]
    assert sorted(job for job, _ in queue.results) == [(0, "a"), (1, "b")]


def test_what_a_source_raises_ends_the_loop():
    queue = Queue((0, "a"), (0, "crash"), (0, "b"), ends=True, max_crashes=1)
    with pytest.raises(RuntimeError, match="crashed 1 times"):
        JobLoop(ScriptedPool(1)).run(queue)
    assert [job for job, _ in queue.results] == [(0, "a")]


def test_a_worker_that_crashed_has_lost_its_scene():
    # Task 0 has more to do for each of its workers, so that worker 0 would stay with task 1 only for its scene.
    pool = ScriptedPool(1)
    loop = JobLoop(pool)
    loop.run(Queue((1, "a")))
    loop.run(Queue((1, "b"), (1, "crash"), (1, "c"), *[(0, "d")] * 9, max_crashes=1))
    assert [task for _, (task, _) in pool.log] == [1, *[1, 1], *[0] * 9, 1]


def test_scenes_last_from_one_source_to_the_next():
    pool = ScriptedPool(2)
    loop = JobLoop(pool)
    loop.run(Queue((0, "a"), (1, "b")))
    assert [(worker, task) for worker, (task, _) in pool.log] == [(0, 0), (1, 1)]
    loop.run(Queue((0, "c"), *[(1, "d")] * 5))
    assert [(worker, task) for worker, (task, _) in pool.log[2:4]] == [(0, 0), (1, 1)]


def test_something_may_be_done_when_the_first_jobs_are_handed_out():
    pool, queue = ScriptedPool(2), Queue((0, "a"), (1, "b"), (0, "c"))
    JobLoop(pool).run(queue, meanwhile=lambda: pool.log.append("meanwhile"))
    assert pool.log[2] == "meanwhile"
    assert len(queue.results) == 3


def test_questions_wait_until_they_are_answered():
    """One at a time, though two wait."""
    pool, asked = ScriptedPool(2), []

    def answer(waiting):
        asked.append(dict(waiting))
        if len(asked) > 1:
            worker = min(waiting)
            pool.answer(worker, f"answer to {waiting.pop(worker)}")

    queue = Queue((0, "ask"), (1, "ask"))
    JobLoop(pool, answer).run(queue)
    assert asked[:2] == [{0: "question of 0"}, {0: "question of 0", 1: "question of 1"}]
    assert dict(queue.results) == {(0, "ask"): "answer to question of 0", (1, "ask"): "answer to question of 1"}


def test_the_question_of_a_dead_worker_is_not_answered():
    pool, asked = ScriptedPool(1), []

    def answer(waiting):
        asked.append(dict(waiting))
        if len(asked) == 1:
            pool.asking.clear()
            pool.jobs[0] = (0, "crash")

    queue = Queue((0, "ask"), max_crashes=1)
    JobLoop(pool, answer).run(queue)
    assert asked == [{0: "question of 0"}]
    assert queue.failures == [((0, "crash"), 1)]


def test_questions_that_nobody_answers_are_an_error():
    with pytest.raises(RuntimeError, match="nobody was named who answers"):
        JobLoop(ScriptedPool(1)).run(Queue((0, "ask")))
