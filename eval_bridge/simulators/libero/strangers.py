"""Strangers: things of other scenes that are compiled into a task's scene, so that they can stand in the way.

A scene that has them has them in every episode; where a layout does not put one, it lies `FAR_AWAY`. The task's words,
goal and own things stay as they are.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.scene_things import read_things
from eval_bridge.simulators.libero.task_files import task_instruction
from eval_bridge.simulators.libero.task_streams import TaskStream, task_generator
from eval_bridge.simulators.libero.word_stems import stems_of

STRANGERS = (
    "alphabet_soup",
    "bbq_sauce",
    "black_book",
    "butter",
    "chocolate_pudding",
    "cookies",
    "cream_cheese",
    "glazed_rim_porcelain_ramekin",
    "ketchup",
    "milk",
    "moka_pot",
    "new_salad_dressing",
    "orange_juice",
    "porcelain_mug",
    "red_coffee_mug",
    "tomato_sauce",
    "white_bowl",
    "white_yellow_mug",
    "wine_bottle",
    "yellow_book",
)
"""Classes that may be one: small things of LIBERO's own suites. None is of a LIBERO-PRO variant alone."""

FAR_AWAY = (12.0, 0.0)
"""Where things lie that are not there: behind the camera that looks on, far out of the wrist's sight (metres)."""

APART = 0.5
"""Between two of them there, along the second axis (metres)."""

_CLEAR = 0.001  # of the floor (metres)
_SECTION = r"\(:{name}\b"
_REGION = "stranger_"


def far_pose(quaternion: NDArray[np.float64], lowest: float, number: int) -> NDArray[np.float64]:
    """The pose ``[7]`` of the `number`-th thing that is not there: upright on the room's floor, which is at height 0.

    Args:
        quaternion: in which it stands upright, w first.
        lowest: height of its lowest point over its origin (metres, negative).
        number: of it.
    """
    x, y = FAR_AWAY
    return np.array([x, y + APART * number, _CLEAR - lowest, *quaternion])


def name_of(stranger: str) -> str:
    """The object of a class: a scene that has a stranger has one."""
    return f"{stranger}_1"


def choose_strangers(suite: str, task: str, number: int, seed: int) -> tuple[str, ...]:
    """Draws the strangers of a task in a run: classes that neither the words nor anything in the scene could mean.

    Args:
        suite: of LIBERO itself.
        task: name of the task.
        number: how many are wanted.
        seed: of the run; another run's scenes have others.

    Raises:
        UnknownName: no such suite or task.
        ValueError: there are not as many.
    """
    if not number:
        return ()
    taken = {word for kind in read_things(suite, task).classes.values() for word in stems_of(kind)}
    taken |= stems_of(task_instruction(suite, task))
    able = [kind for kind in STRANGERS if not stems_of(kind) & taken]
    if number > len(able):
        raise ValueError(
            f"layout.strangers={number} must be at most {len(able)} for {task}: so many of {len(STRANGERS)} classes "
            "share no word with its instruction and its things"
        )
    generator = task_generator(seed, TaskStream.STRANGERS, suite, task)
    return tuple(sorted(generator.choice(able, number, replace=False).tolist()))


def definition_with_strangers(definition: str, strangers: Sequence[str]) -> str:
    """A task's definition (BDDL) with strangers among its objects, each at a place of its own far from everything.

    Raises:
        ValueError: the definition has no section for them, or has one of them already.
    """
    if not strangers:
        return definition
    found = re.search(r"\(:target (\w*(?:table|floor))\)", definition)
    if found is None:
        raise ValueError(
            "the task's definition has no region on a table or the floor, near which a stranger could lie"
        )
    ground, (x, y) = found.group(1), FAR_AWAY
    objects, regions, conditions = "", "", ""
    for number, kind in enumerate(strangers):
        if re.search(rf"\b{name_of(kind)}\b", definition):
            raise ValueError(f"{name_of(kind)} is in the task's scene already; it is no stranger there")
        region, across = f"{_REGION}{number}", y + APART * number
        objects += f"\n    {name_of(kind)} - {kind}"
        regions += f"\n    ({region} (:target {ground}) (:ranges (({x} {across} {x + 0.01} {across + 0.01}))))"
        conditions += f"\n    (On {name_of(kind)} {ground}_{region})"
    for section, addition in (("objects", objects), ("regions", regions), ("init", conditions)):
        definition, count = re.subn(_SECTION.format(name=section), rf"\g<0>{addition}", definition, count=1)
        if not count:
            raise ValueError(f"the task's definition has no section (:{section}")
    return definition


def strangers_in(definition: str) -> tuple[str, ...]:
    """The strangers that `definition_with_strangers` has put into a definition, in their order."""
    return tuple(kind for kind, _ in re.findall(rf"\(On (\w+)_1 \w+_{_REGION}(\d+)\)", definition))
