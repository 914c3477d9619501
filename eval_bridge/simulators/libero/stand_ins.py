"""Stand-ins: other objects of the same kind in the place of a class of things, in a compiled scene.

A stand-in keeps the name and the class of what it stands for: words, goal and what is withheld of that class hold for
it.
"""

import re
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager

from eval_bridge.simulators.libero.object_makers import other_makers
from eval_bridge.simulators.libero.scene_things import read_things
from eval_bridge.simulators.libero.task_files import task_instruction
from eval_bridge.simulators.libero.task_streams import TaskStream, task_generator
from eval_bridge.simulators.libero.word_stems import stems_of

KINDS = (
    ("akita_black_bowl", "white_bowl"),
    ("alphabet_soup", "tomato_sauce"),
    ("bbq_sauce", "ketchup", "new_salad_dressing", "salad_dressing"),
    ("black_book", "yellow_book"),
    ("butter", "chocolate_pudding", "cookies", "cream_cheese"),
    ("milk", "orange_juice"),
    ("porcelain_mug", "red_coffee_mug", "white_yellow_mug"),
)
"""Classes of LIBERO's own suites that are of one kind: held alike, and in the room of each other."""

LOOK_LIKE_VARIANTS = frozenset(
    {
        ("cream_cheese", "butter"),
        ("cream_cheese", "cookies"),
        ("milk", "orange_juice"),
        ("porcelain_mug", "white_yellow_mug"),
        ("tomato_sauce", "alphabet_soup"),
        ("white_yellow_mug", "red_coffee_mug"),
    }
)
"""Class, and what may not stand in for it: it is what ``_object`` has there (two mugs), or would look like that with
its own colour (`withheld_looks.NEAR_COLOUR`)."""

_TOLD = re.compile(r"^; stand-in (\w+) (\w+)$", re.MULTILINE)


def choose_stand_ins(
    suite: str, task: str, strangers: Collection[str], probability: float, seed: int
) -> dict[str, str]:
    """Draws what stands in for a task's things in a run: class -> class of its stand-in, of those that have one.

    A class has none where the words tell it from its kind, by its colour or its name, or would then mean another one;
    no stand-in is of a class that is there already, or looks like what a variant has in that place.

    Args:
        suite: of LIBERO itself.
        task: name of the task.
        strangers: classes that the scene has beside its own.
        probability: of each class of the scene's movable things, that another one stands in for it.
        seed: of the run; another run's scenes have others.
    """
    generator = task_generator(seed, TaskStream.STAND_INS, suite, task)
    things, said = read_things(suite, task), stems_of(task_instruction(suite, task))
    there = {*things.classes.values(), *strangers}
    found: dict[str, str] = {}
    for kind in sorted(things.movable_classes):
        able = [
            other
            for other in _alike(kind)
            if other not in there | {*found.values()} and not (stems_of(kind) ^ stems_of(other)) & said
        ]
        is_drawn = generator.random() < probability
        place = int(generator.integers(len(able) or 1))
        if is_drawn and able:
            found[kind] = able[place]
    return found


def definition_with_stand_ins(definition: str, stand_ins: Mapping[str, str]) -> str:
    """A task's definition (BDDL) that tells stand-ins, in comments."""
    return "".join(f"; stand-in {kind} {other}\n" for kind, other in sorted(stand_ins.items())) + definition


def stand_ins_in(definition: str) -> dict[str, str]:
    """The stand-ins that `definition_with_stand_ins` has put into a definition."""
    return dict(_TOLD.findall(definition))


def replaced(stand_ins: Mapping[str, str]) -> AbstractContextManager[None]:
    """A block in which LIBERO makes things of some classes as those of others."""
    return other_makers(lambda own: {kind: own[other] for kind, other in stand_ins.items()})


def withheld_stand_ins(stand_ins: Mapping[str, str]) -> list[str]:
    """Why some stand-ins may not be there, for each of these; empty if all may."""
    return [
        f"{other!r} in the place of {kind!r} looks like an _object variant's"
        for kind, other in sorted(stand_ins.items())
        if (kind, other) in LOOK_LIKE_VARIANTS
    ]


def _alike(kind: str) -> list[str]:
    others = (other for group in KINDS if kind in group for other in group if other != kind)
    return [other for other in others if (kind, other) not in LOOK_LIKE_VARIANTS]
