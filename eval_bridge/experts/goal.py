"""From a task's goal predicates to what has to be carried where."""

from typing import NamedTuple

from eval_bridge.experts.scene import Scene

CARRY_PREDICATES = ("on", "in")


class Carry(NamedTuple):
    """One thing to do: carry `item` onto (or into) `support`, until `predicate` holds."""

    item: str
    support: str
    predicate: tuple[str, ...]


def open_goals(scene: Scene) -> list[Carry]:
    """The goals of the scene's task that do not hold yet, in the order of the task.

    Raises:
        ValueError: a goal is not about carrying something, or names something that cannot be carried.
    """
    return [carry for carry in map(_interpret, scene.goal()) if _is_open(scene, carry)]


def _interpret(predicate: tuple[str, ...]) -> Carry:
    if len(predicate) != 3 or predicate[0].lower() not in CARRY_PREDICATES:
        raise ValueError(
            f"goal {predicate!r} has no skill: the expert carries objects, so goals must read "
            f"(on ITEM SUPPORT) or (in ITEM SUPPORT)"
        )
    return Carry(item=predicate[1], support=predicate[2], predicate=tuple(predicate))


def _is_open(scene: Scene, carry: Carry) -> bool:
    if not scene.is_movable(carry.item):
        raise ValueError(f"goal {carry.predicate!r}: {carry.item!r} cannot be carried, it is not a movable object")
    return not scene.is_satisfied(carry.predicate)
