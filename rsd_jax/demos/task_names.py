"""Which suite and task an episode belongs to, from what its source tells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rsd_jax.demos.demo import DemoFieldError

_SUITE = re.compile(r"libero_(?:spatial|object|goal|10|90)(?:_(?:lan|object|swap|task)(?![a-z0-9]))?(?![a-z0-9])")
_SCENE_PREFIX = re.compile(r"^[A-Z_]+SCENE\d+_")


class TaskName(NamedTuple):
    """A task of a suite, by name."""

    suite: str
    task: str


@dataclass(frozen=True)
class TaskNaming:
    """How episodes get their suite and task.

    Attributes:
        suite: suite of all episodes; None to find it out from each.
        by_instruction: instruction -> task, for sources that tell the instruction only.
    """

    suite: str | None = None
    by_instruction: Mapping[str, TaskName] = field(default_factory=dict)

    def name(self, instruction: str, task: str | None, places: Sequence[str]) -> TaskName:
        """Names the task of an episode.

        Args:
            instruction: of the episode.
            task: its task, if the source tells it; otherwise it is looked up, and as a last resort spelled like the
                instruction.
            places: names of files and folders in which the suite's name may stand, the most telling first.

        Raises:
            DemoFieldError: the suite is neither declared nor to be found out.
        """
        known = self.by_instruction.get(instruction)
        found = [match.group() for match in map(_SUITE.search, places) if match]
        suites = [self.suite, *found[:1], known.suite if known else None]
        suite = next((suite for suite in suites if suite), None)
        if suite is None:
            raise DemoFieldError(
                "suite", f"is not told for the instruction {instruction!r} by any of {list(places)}; declare the suite"
            )
        if task is None:
            task = known.task if known and known.suite == suite else instruction.lower().replace(" ", "_")
        return TaskName(suite, task)


def suite_in(text: str) -> str | None:
    """The name of a suite within `text`: "libero_spatial" for "libero_spatial_no_noops"; None if there is none."""
    match = _SUITE.search(text)
    return match.group() if match else None


def instruction_of(task: str) -> str:
    """The name of a task in words, without its scene."""
    return _SCENE_PREFIX.sub("", task).replace("_", " ")
