"""From a task's goal predicates to an ordered list of typed things to do."""

from collections.abc import Sequence
from typing import NamedTuple

from eval_bridge.experts.scene import Scene

Predicate = tuple[str, ...]

WIDEST_GRASP = 0.066  # what is wider than the open hand in both directions (metres)
FLATNESS = 0.35  # ... and not higher than this share of its width is slid, not lifted


class Open(NamedTuple):
    """Open a drawer (`part` is its region) or a door (`part` is its fixture)."""

    part: str
    predicate: Predicate


class Close(NamedTuple):
    """Close a drawer (`part` is its region) or a door (`part` is its fixture)."""

    part: str
    predicate: Predicate


class TurnOn(NamedTuple):
    """Switch the fixture `part` on."""

    part: str
    predicate: Predicate


class TurnOff(NamedTuple):
    """Switch the fixture `part` off."""

    part: str
    predicate: Predicate


class Carry(NamedTuple):
    """Carry `item` onto (or into) `support`, an object or a region, until `predicate` holds.

    Attributes:
        item: what is carried.
        support: where to.
        predicate: the goal.
        slot: the item's number among all items of the task that go to `support`, where they are spread.
        slots: how many these are.
    """

    item: str
    support: str
    predicate: Predicate
    slot: int = 0
    slots: int = 1


class Push(NamedTuple):
    """Slide the flat `item` over the table into `region`."""

    item: str
    region: str
    predicate: Predicate


Goal = Open | Close | TurnOn | TurnOff | Carry | Push

_UNARY: dict[str, type[Open | Close | TurnOn | TurnOff]] = {
    "open": Open,
    "close": Close,
    "turnon": TurnOn,
    "turnoff": TurnOff,
}
_BINARY = ("on", "in")


def open_goals(scene: Scene, order: Sequence[int] = ()) -> list[Goal]:
    """What is left to do, in the order in which it can be done.

    What has to be opened before something can be put into it is added where the task does not ask for it. Opening
    comes first, then switching, then carrying in the order of the task; what takes something in is closed last, what
    does not is closed first, so that it is out of the way.

    Args:
        scene: the scene.
        order: the task's predicates in another order, by their numbers: that in which goals of the same rank are
            taken, and places handed out to items that share a support. Empty is the task's own.

    Raises:
        ValueError: a goal has another form than those of LIBERO, or names something that cannot be moved; or `order`
            is no order of the task's predicates.
    """
    task = scene.goal()
    if order:
        if sorted(order) != list(range(len(task))):
            raise ValueError(f"order is {tuple(order)}; it must hold every number from 0 to {len(task) - 1} once")
        task = [task[number] for number in order]
    goals = [_interpret(scene, tuple(predicate), task) for predicate in task]
    goals = [goal for goal in goals if not scene.is_satisfied(goal.predicate)]
    entered = [_container(scene, goal) for goal in goals if isinstance(goal, Carry)]
    implied = [Open(part, ("open", part)) for part in dict.fromkeys(entered) if part is not None]
    asked = [goal.part for goal in goals if isinstance(goal, Open)]
    goals += [goal for goal in implied if goal.part not in asked and not scene.is_satisfied(goal.predicate)]
    return sorted(goals, key=lambda goal: _rank(goal, entered))  # stable: otherwise the order of the task


def _interpret(scene: Scene, predicate: Predicate, task: Sequence[Predicate]) -> Goal:
    name = predicate[0].lower()
    if name in _UNARY and len(predicate) == 2:
        return _UNARY[name](predicate[1], predicate)
    if name not in _BINARY or len(predicate) != 3:
        raise ValueError(
            f"goal {predicate!r} has no skill: goals must read (on ITEM SUPPORT), (in ITEM SUPPORT), (open PART), "
            f"(close PART), (turnon PART) or (turnoff PART)"
        )
    _, item, support = predicate
    if not scene.is_movable(item):
        raise ValueError(f"goal {predicate!r}: {item!r} cannot be carried, it is not a movable object")
    if _lies_on_table(scene, support) and _is_flat(scene, item):
        return Push(item, support, predicate)
    neighbours = [other[1] for other in task if len(other) == 3 and other[2] == support]
    return Carry(item, support, predicate, neighbours.index(item), len(neighbours))


def _lies_on_table(scene: Scene, support: str) -> bool:
    return scene.is_region(support) and scene.region(support).parent is None


def _is_flat(scene: Scene, item: str) -> bool:
    length, width, height = scene.bounding_box(item).size
    return bool(min(length, width) > WIDEST_GRASP and height < FLATNESS * min(length, width))


def _container(scene: Scene, goal: Carry) -> str | None:
    """The drawer or the fixture with a door that has to be open while the item is put in."""
    if goal.predicate[0].lower() != "in" or not scene.is_region(goal.support):
        return None
    region = scene.region(goal.support)
    if region.is_articulated:
        return goal.support
    return region.parent if region.parent is not None and scene.has_joint(region.parent) else None


def _rank(goal: Goal, entered: Sequence[str | None]) -> int:
    if isinstance(goal, Close):
        return 4 if goal.part in entered else 0
    return {Open: 1, TurnOn: 2, TurnOff: 2, Carry: 3, Push: 3}[type(goal)]
