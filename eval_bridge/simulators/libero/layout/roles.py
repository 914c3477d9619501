"""Which things a task is about, by its instruction and its goal: what a layout must respect for the words to hold."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

_SHORTEST_STEM = 4
_ARENA = frozenset({"main", "table", "kitchen", "living", "room", "study", "floor", "region"})
_PLACING = re.compile(r"\band (?:place|put)\b")


class Roles(NamedTuple):
    """What the bodies of a scene (things that move, and fixtures) are to its task.

    Attributes:
        goal: bodies that the goal names, or of which it names a part.
        targets: things that the goal moves and that another one looks like.
        look_alikes: those others, which the goal does not name.
        landmarks: bodies by which the words tell a target from its look-alikes.
        fixed: bodies that a region on the table is named after to which the goal moves something: the region stays
            where it is, so they must.
        told_apart: bodies that look the same and that the goal treats differently ("the left plate"): they keep how
            they stand to each other.
        grounded: things that the goal moves over the table.
        destinations: regions that the goal names: nothing else may be put there.
    """

    goal: frozenset[str]
    targets: tuple[str, ...]
    look_alikes: tuple[str, ...]
    landmarks: tuple[str, ...]
    fixed: frozenset[str]
    told_apart: tuple[str, ...]
    grounded: frozenset[str]
    destinations: frozenset[str]


def roles_of(
    instruction: str,
    goal: Sequence[tuple[str, ...]],
    things: Collection[str],
    fixtures: Collection[str],
    region_parents: Mapping[str, str | None],
) -> Roles:
    """Reads roles from the words and the goal.

    Args:
        instruction: e.g. "pick up the black bowl next to the ramekin and place it on the plate".
        goal: predicates, e.g. ``("on", "akita_black_bowl_1", "plate_1")``.
        things: names of what moves. fixtures: names of what does not.
        region_parents: region -> the body that it is a part of; None for one on the table.
    """
    named = dict.fromkeys(name for predicate in goal for name in predicate[1:])
    regions = [name for name in named if name in region_parents]
    of_goal = {name for name in named if name in things or name in fixtures}
    of_goal |= {parent for name in regions if (parent := region_parents[name]) is not None}
    moved = [predicate[1] for predicate in goal if len(predicate) == 3]
    look_alikes = tuple(name for name in things if name not in named and _kind(name) in map(_kind, moved))
    targets = tuple(name for name in dict.fromkeys(moved) if _kind(name) in map(_kind, look_alikes))
    which = _PLACING.split(instruction)[0]
    others = [name for name in (*things, *fixtures) if _kind(name) not in map(_kind, targets)]
    on_table = {name for name in regions if region_parents[name] is None}
    supports = list(dict.fromkeys(predicate[2] for predicate in goal if len(predicate) == 3))
    return Roles(
        goal=frozenset(of_goal),
        targets=targets,
        look_alikes=look_alikes,
        landmarks=tuple(name for name in others if targets and _is_named(name, which.split())),
        fixed=frozenset(
            body for body in (*things, *fixtures) for region in on_table if _is_named(body, region.split("_"))
        ),
        told_apart=tuple(name for name in supports if [*map(_kind, supports)].count(_kind(name)) > 1),
        grounded=frozenset(predicate[1] for predicate in goal if len(predicate) == 3 and predicate[2] in on_table),
        destinations=frozenset(regions),
    )


def _kind(name: str) -> str:
    """What looks like it has the same: the name without its number."""
    return re.sub(r"_\d+$", "", name)


def _is_named(body: str, words: Collection[str]) -> bool:
    """Whether one of the words of a body's kind is among `words`, or the beginning of one, or has one as its own."""
    own = [word for word in _kind(body).split("_") if len(word) >= _SHORTEST_STEM]
    asked = [word.lower() for word in words if len(word) >= _SHORTEST_STEM and word.lower() not in _ARENA]
    return any(word.startswith(other) or other.startswith(word) for word in own for other in asked)
