"""LIBERO's suites: their tasks, step limits and instructions, without importing the simulator.

The limits are those of OpenVLA-OFT's evaluation (``experiments/robot/libero/run_libero_eval.py``), which published
numbers use: a little above the longest demonstration of the suite.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Sequence

from eval_bridge.simulators.libero.suite_tasks import SUITE_TASKS
from rsd_jax.demos.task_names import instruction_of

SETTLE_STEPS = 10
"""Steps with open gripper and no motion at the start of an episode, while objects fall onto their supports."""

EVALUATION_EPISODES = 50
"""Evaluation states per task."""

_MAX_STEPS = {"libero_spatial": 220, "libero_object": 280, "libero_goal": 300, "libero_10": 520, "libero_90": 400}
_VARIANTS = {
    "lan": "reworded instruction",
    "object": "other objects",
    "swap": "exchanged positions",
    "task": "another task in the same scene",
}


class UnknownName(ValueError):
    """A suite or a task that does not exist."""

    def __init__(self, kind: str, value: object, valid_names: Sequence[str]) -> None:
        """Builds a message that lists the valid names, the most similar one first."""
        nearest = difflib.get_close_matches(str(value), valid_names, n=len(valid_names), cutoff=0.0)
        super().__init__(f"{kind} = {value!r} does not exist. Valid names, nearest first: {', '.join(nearest)}")


@dataclasses.dataclass(frozen=True)
class Suite:
    """A set of tasks that is evaluated together.

    Attributes:
        name: e.g. ``libero_spatial``, or a LIBERO-PRO variant of it, e.g. ``libero_spatial_lan``.
        base: the suite it is a variant of, or its own name.
        tasks: names of its tasks, in benchmark order.
        max_steps: steps after settling before an episode counts as failed.
    """

    name: str
    base: str
    tasks: tuple[str, ...]
    max_steps: int

    @property
    def is_variant(self) -> bool:
        """Whether this is a LIBERO-PRO variant, whose instructions stand in the task definition only."""
        return self.name != self.base

    def task_name(self, task: int | str) -> str:
        """Resolves a task given by index or name.

        Raises:
            UnknownName: no task has this name or index.
        """
        if isinstance(task, int) and 0 <= task < len(self.tasks):
            return self.tasks[task]
        if isinstance(task, str) and task in self.tasks:
            return task
        indexed = [f"{index} ({name})" for index, name in enumerate(self.tasks)]
        raise UnknownName(f"task of {self.name}", task, indexed if isinstance(task, int) else self.tasks)

    def task_index(self, task: int | str) -> int:
        """Index of a task given by index or name. Raises `UnknownName`."""
        return self.tasks.index(self.task_name(task))


def suite_names() -> list[str]:
    """All suites: the five of LIBERO, then the variants of LIBERO-PRO."""
    variants = [f"{base}_{variant}" for base in SUITE_TASKS if base != "libero_90" for variant in _VARIANTS]
    return [*SUITE_TASKS, *variants]


def get_suite(name: str) -> Suite:
    """Looks a suite up.

    Raises:
        UnknownName: no suite has this name.
    """
    if name not in suite_names():
        raise UnknownName("suite", name, suite_names())
    base = name if name in SUITE_TASKS else name.rpartition("_")[0]
    return Suite(name=name, base=base, tasks=SUITE_TASKS[base], max_steps=_MAX_STEPS[base])


def select_tasks(suite: str, tasks: Iterable[int | str] | None = None) -> list[str]:
    """Names of the tasks asked for, by index or name; all tasks of the suite for None.

    Raises:
        UnknownName: the suite or one of the tasks does not exist.
        ValueError: a task is named twice, or none is named.
    """
    found = get_suite(suite)
    if tasks is None:
        return list(found.tasks)
    names = [found.task_name(task) for task in tasks]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"tasks = {list(names)} of {suite} must name at least one task, and each only once.")
    return names


def instruction_from_name(task: str) -> str:
    """The instruction that published results use for the base suites: the task's name in words, without its scene."""
    return instruction_of(task)
