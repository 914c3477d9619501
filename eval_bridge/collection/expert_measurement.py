"""How often the scripted expert succeeds: every attempt counts, and nothing is recorded."""

import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eval_bridge.collection.attempt_log import Attempt, count_refused
from eval_bridge.collection.worker import CollectionJob, CollectionTask, CollectionWorker, Record
from eval_bridge.workers.jobs import JobLoop
from eval_bridge.workers.messages import Failure
from eval_bridge.workers.pool import WorkerPool
from eval_bridge.workers.scheduling import SceneAssignment


def measure_expert(
    tasks: Sequence[CollectionTask[Any]],
    seeds: Mapping[int, Sequence[int]],
    workers: int,
    on_attempt: Callable[[CollectionTask[Any], Attempt], None],
) -> dict[int, list[Attempt]]:
    """Plays every seed of every task once, by workers.

    Args:
        tasks: what to play.
        seeds: index of a task -> its seeds.
        workers: number of worker processes.
        on_attempt: told of every attempt as it ends.

    Returns:
        Index of a task -> its attempts, by seed.

    Raises:
        RuntimeError: a worker crashed or died; an attempt must not be lost, and a crash is no failure.
    """
    measurement = _Measurement(tasks, {task: deque(chosen) for task, chosen in seeds.items()}, on_attempt)
    with WorkerPool(workers, functools.partial(CollectionWorker, tuple(tasks))) as pool:
        JobLoop(pool).run(measurement)
    attempts = measurement.attempts
    return {task: sorted(of_task, key=lambda attempt: attempt.seed) for task, of_task in attempts.items()}


class _Measurement:
    """Which seeds are left, and what became of the others (implements `JobSource`)."""

    def __init__(
        self,
        tasks: Sequence[CollectionTask[Any]],
        seeds: Mapping[int, deque[int]],
        on_attempt: Callable[[CollectionTask[Any], Attempt], None],
    ) -> None:
        self._tasks, self._seeds, self._on_attempt = tasks, seeds, on_attempt
        self.attempts: dict[int, list[Attempt]] = {task: [] for task in seeds}

    def next_job(self, worker: int, scenes: SceneAssignment[int]) -> Record | None:
        """A seed of the task whose scene the worker has, or should have."""
        task = scenes.assign(worker, {task: len(left) for task, left in self._seeds.items()})
        return None if task is None else Record(task, self._seeds[task].popleft(), part=None)

    def done(self, job: CollectionJob, result: Attempt | None) -> None:
        """Counts an attempt."""
        assert result is not None, "an attempt was asked for"
        self.attempts[job.task_index].append(result)
        self._on_attempt(self._tasks[job.task_index], result)

    def failed(self, failure: Failure[CollectionJob], times: int) -> None:
        """Ends the measurement: the attempt would be missing from the count."""
        _, job, error, trace = failure
        assert isinstance(job, Record)
        raise RuntimeError(f"{self._tasks[job.task_index].task}, seed {job.seed} crashed: {error}\n{trace}")


def summarise_attempts(
    tasks: Sequence[CollectionTask[Any]], attempts: Mapping[int, Sequence[Attempt]]
) -> dict[str, dict[str, Any]]:
    """``{SUITE: {TASK: {episodes, successes, mean_steps, failures}}}``; mean steps are those of successes.

    Where layouts were drawn also ``layouts`` (rule -> ``[successes, episodes]``), and what `count_refused` counts.
    """
    table: dict[str, dict[str, Any]] = {}
    for index, task in enumerate(tasks):
        steps = [attempt.steps for attempt in attempts[index] if attempt.is_success]
        table.setdefault(task.suite, {})[task.task] = {
            "episodes": len(attempts[index]),
            "successes": len(steps),
            "mean_steps": round(sum(steps) / len(steps), 1) if steps else None,
            "failures": {str(attempt.seed): attempt.reason for attempt in attempts[index] if not attempt.is_success},
            **_layouts(attempts[index]),
            **count_refused(attempts[index]),
        }
    return table


def _layouts(attempts: Sequence[Attempt]) -> dict[str, Any]:
    if not any(attempt.layout for attempt in attempts):
        return {}
    rules: dict[str, list[int]] = {}
    for attempt in attempts:
        counts = rules.setdefault(attempt.layout.get("rule", "none"), [0, 0])
        counts[0] += attempt.is_success
        counts[1] += 1
    return {"layouts": rules}
