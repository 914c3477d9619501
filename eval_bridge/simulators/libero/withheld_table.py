"""What is known of LIBERO-PRO's variants where nothing of them may be trained on: one file, all that collection sees.

The file holds

- ``reworded``: the instructions of ``_lan``; ``scenes``: name -> objects and fixtures; ``other_tasks``: scene -> the
  instructions of ``_task`` in it;
- ``classes``: of objects and fixtures in LIBERO's own suites; ``only_variants``: those that only ``_object`` names;
  ``looks``: class -> the class in its place with the same shape -> its mean colour (L*a*b*), if it is another one,
  and how many times as large it is, if it is not as large;
- ``tasks``: suite of LIBERO -> task -> its scene, what its goal names, and its words: its name's, its definition's;
- ``layouts``: scene -> task of a variant -> what its goal names, and where everything that goals of the scene name
  is in its states, in tenths of a millimetre: x, y and z, each a number if it is the same in all and a list otherwise.
  Heights are those before things have settled. A thing may have the name of a task before it instead, in whose
  states it has the same places.

Things have the names of the base scene, also where ``_object`` has others. `compute_withheld` makes the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.suites import EVALUATION_EPISODES, UnknownName
from rsd_jax.content_check import read_checked_json

TABLE = Path(__file__).parent / "data" / "withheld.json"
"""Where the table is kept."""

UNIT = 1e-4
"""Metres of one step of a stored place."""


class Withheld(ValueError):
    """Something must not be trained on; the message says what it is near to, or of."""


class Look(NamedTuple):
    """How an object of a variant differs from that of the base suite in whose place it is.

    Attributes:
        variant: its class.
        colour: its mean colour, L*a*b*; None if that is the same.
        scale: how many times as large it is; None if it is as large.
    """

    variant: str
    colour: tuple[float, float, float] | None
    scale: float | None


class BaseTask(NamedTuple):
    """A task of LIBERO's own suites.

    Attributes:
        scene: name of its scene; None if no variant has it.
        goal: objects and fixtures that its goal names, tables left out.
        words: its instructions, lower-case words.
    """

    scene: str | None
    goal: tuple[str, ...]
    words: tuple[str, ...]


class VariantLayouts(NamedTuple):
    """The states of a variant's task.

    Attributes:
        suite: the variant. task: of it.
        goal: objects and fixtures that its goal names, tables left out.
        places: where everything is that goals of the scene name, thing -> metres, ``[EVALUATION_EPISODES, 3]``.
    """

    suite: str
    task: str
    goal: tuple[str, ...]
    places: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class WithheldTable:
    """The content of the file, see above.

    Attributes:
        reworded: instructions, lower-case words.
        other_tasks: scene -> instructions, lower-case words.
        classes, only_variants: names of classes.
        looks: class -> how those look that have its place.
        tasks: suite -> task -> what is known of it.
        layouts: scene -> states of variants.
    """

    reworded: frozenset[str]
    other_tasks: Mapping[str, frozenset[str]]
    classes: frozenset[str]
    only_variants: frozenset[str]
    looks: Mapping[str, tuple[Look, ...]]
    tasks: Mapping[str, Mapping[str, BaseTask]]
    layouts: Mapping[str, tuple[VariantLayouts, ...]]

    def base_task(self, suite: str, task: str) -> BaseTask:
        """What is known of a task of LIBERO's own suites.

        Raises:
            UnknownName: there is none of that name.
        """
        if suite not in self.tasks:
            raise UnknownName("suite of LIBERO itself", suite, list(self.tasks))
        if task not in self.tasks[suite]:
            raise UnknownName(f"task of {suite}", task, list(self.tasks[suite]))
        return self.tasks[suite][task]


@lru_cache(maxsize=1)
def load_withheld() -> WithheldTable:
    """Reads the table.

    Raises:
        FileNotFoundError: it is not there.
        DamagedJsonError: it is not as it was written.
    """
    return from_json(read_checked_json(TABLE))


def from_json(content: Mapping[str, Any]) -> WithheldTable:
    """The table of a file's content."""
    return WithheldTable(
        reworded=frozenset(content["reworded"]),
        other_tasks={scene: frozenset(words) for scene, words in content["other_tasks"].items()},
        classes=frozenset(content["classes"]),
        only_variants=frozenset(content["only_variants"]),
        looks={base: tuple(_look(*item) for item in looks.items()) for base, looks in content["looks"].items()},
        tasks={
            suite: {
                task: BaseTask(known["scene"], tuple(known["goal"]), tuple(known["words"]))
                for task, known in tasks.items()
            }
            for suite, tasks in content["tasks"].items()
        },
        layouts={scene: tuple(_layouts(layouts)) for scene, layouts in content["layouts"].items()},
    )


def _look(variant: str, known: Mapping[str, Any]) -> Look:
    colour = known.get("colour")
    return Look(variant, None if colour is None else (colour[0], colour[1], colour[2]), known.get("scale"))


def _layouts(content: Mapping[str, Any]) -> list[VariantLayouts]:
    found: dict[str, VariantLayouts] = {}
    for name, known in content.items():
        places = {
            thing: found[columns].places[thing] if isinstance(columns, str) else _metres(columns)
            for thing, columns in known["places"].items()
        }
        suite, task = name.split("/")
        found[name] = VariantLayouts(suite, task, tuple(known["goal"]), places)
    return list(found.values())


def _metres(columns: list[int | list[int]]) -> NDArray[np.float64]:
    places = np.empty((EVALUATION_EPISODES, 3))
    for index, column in enumerate(columns):
        places[:, index] = column
    return places * UNIT
