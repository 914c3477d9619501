"""Which task a free worker should take up.

A worker keeps the scene of one task, and compiling that of another costs as much as several episodes. So workers stay
with their task while it has work, and spread over the tasks by how much is left of each.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Task = TypeVar("Task", bound=Hashable)


def choose_task(pending: Mapping[Task, int], workers_on: Mapping[Task, int], present: Task | None) -> Task | None:
    """The task whose next job a free worker should do.

    Args:
        pending: jobs of each task that nobody has taken yet.
        workers_on: other workers that have the scene of each task.
        present: the task whose scene the free worker has, if any.

    Returns:
        Its present task if that has work; else the task with the most pending jobs for each worker; None where the
        workers that a task has will be through with it before another could have compiled the scene.
    """
    if present is not None and pending.get(present, 0) > 0:
        return present
    in_need = [task for task, count in pending.items() if count > workers_on.get(task, 0)]
    return max(in_need, key=lambda task: pending[task] / (1 + workers_on.get(task, 0)), default=None)


class SceneAssignment(Generic[Task]):
    """Which worker has the scene of which task."""

    def __init__(self) -> None:
        """No worker has one yet."""
        self._task_of: dict[int, Task] = {}

    def assign(self, worker: int, pending: Mapping[Task, int]) -> Task | None:
        """The task whose next job a free worker should do (`choose_task`); from now on it has that scene."""
        others = Counter(task for other, task in self._task_of.items() if other != worker)
        task = choose_task(pending, others, self._task_of.get(worker))
        if task is not None:
            self._task_of[worker] = task
        return task

    def forget(self, worker: int) -> None:
        """The worker has lost its scene: it crashed or was replaced."""
        self._task_of.pop(worker, None)
