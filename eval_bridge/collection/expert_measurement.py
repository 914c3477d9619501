"""How often the scripted expert succeeds: every attempt counts, and nothing is recorded."""

import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eval_bridge.collection.attempt_log import Attempt
from eval_bridge.collection.worker import CollectionTask, CollectionWorker, Record
from eval_bridge.workers.messages import Failure, Result
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
    pending = {task: deque(chosen) for task, chosen in seeds.items()}
    attempts: dict[int, list[Attempt]] = {task: [] for task in seeds}
    left = sum(map(len, seeds.values()))
    scenes = SceneAssignment[int]()
    with WorkerPool(workers, functools.partial(CollectionWorker, tuple(tasks))) as pool:
        while left:
            for worker in pool.idle:
                task = scenes.assign(worker, {task: len(queue) for task, queue in pending.items() if queue})
                if task is not None:
                    pool.submit(worker, Record(task, pending[task].popleft(), part=None))
            for event in pool.events():
                match event:
                    case Result(_, job, attempt):
                        attempts[job.task_index].append(attempt)
                        left -= 1
                        on_attempt(tasks[job.task_index], attempt)
                    case Failure(_, job, error, trace):
                        raise RuntimeError(f"{tasks[job.task_index].task}, seed {job.seed} crashed: {error}\n{trace}")
    return {task: sorted(of_task, key=lambda attempt: attempt.seed) for task, of_task in attempts.items()}


def summarise_attempts(
    tasks: Sequence[CollectionTask[Any]], attempts: Mapping[int, Sequence[Attempt]]
) -> dict[str, dict[str, Any]]:
    """``{SUITE: {TASK: {episodes, successes, mean_steps, failures}}}``; mean steps are those of successes."""
    table: dict[str, dict[str, Any]] = {}
    for index, task in enumerate(tasks):
        steps = [attempt.steps for attempt in attempts[index] if attempt.is_success]
        table.setdefault(task.suite, {})[task.task] = {
            "episodes": len(attempts[index]),
            "successes": len(steps),
            "mean_steps": round(sum(steps) / len(steps), 1) if steps else None,
            "failures": {str(attempt.seed): attempt.reason for attempt in attempts[index] if not attempt.is_success},
        }
    return table
