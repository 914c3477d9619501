"""Which layouts may not be trained on, so that LIBERO-PRO's variants test what they are for.

A layout is withheld if for any state of a variant in the same scene everything that its own goal names lies within
`NEAR` of its place there, whichever of the scene's tasks the state is of. Things of one class look alike and stand for
each other. Seen from above: states put things some centimetres above what they will lie on, and how high differs from
start to start. Pure functions of the table of what is withheld. Instructions: `withheld_words`; objects:
`withheld_looks`.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.withheld_table import UNIT, BaseTask, VariantLayouts, WithheldTable, load_withheld

NEAR = 0.05
"""Metres from its place, in the plane, within which a thing counts as being there."""

ROUNDING = 0.75 * UNIT
"""Metres that a stored place is off at most (half a step in two directions): added to `NEAR`, to be safe."""


class NearestLayout(NamedTuple):
    """The state of a variant that a layout is nearest to.

    Attributes:
        distance: how far from its place there the thing is that is farthest, of those that the layout's goal names,
            metres in the plane.
        suite: the variant. task: of it. state: which of its states.
    """

    distance: float
    suite: str
    task: str
    state: int

    @property
    def is_withheld(self) -> bool:
        """Whether a layout so near must not be trained on."""
        return self.distance <= NEAR + ROUNDING


def is_withheld(
    suite: str, task: str, places: Mapping[str, NDArray[np.float64]], table: WithheldTable | None = None
) -> bool:
    """Whether a layout of a task is one that must not be trained on.

    Args:
        suite: of LIBERO itself.
        task: name of the task.
        places: position ``[3]`` of at least everything that the task's goal names (`layout_needs`), object or
            fixture, by name; metres in the world's frame. What was taken away is where it was put.
        table: another than the one that is checked in.

    Raises:
        UnknownName: no such suite or task.
        ValueError: something is missing in `places`, or is no position.
    """
    nearest = nearest_withheld(suite, task, places, table)
    return nearest is not None and nearest.is_withheld


def layout_needs(suite: str, task: str, table: WithheldTable | None = None) -> frozenset[str]:
    """The objects and fixtures whose places `is_withheld` needs; none where no variant has the scene.

    Raises:
        UnknownName: no such suite or task.
    """
    table = table or load_withheld()
    own = table.base_task(suite, task)
    return frozenset() if own.scene is None else frozenset(own.goal)


def nearest_withheld(
    suite: str, task: str, places: Mapping[str, NDArray[np.float64]], table: WithheldTable | None = None
) -> NearestLayout | None:
    """The state of any variant that a layout is nearest to; None if no variant has the scene. See `is_withheld`."""
    return min(nearest_by_variant(suite, task, places, table).values(), default=None)


def nearest_by_variant(
    suite: str, task: str, places: Mapping[str, NDArray[np.float64]], table: WithheldTable | None = None
) -> dict[str, NearestLayout]:
    """The same for each variant that has the scene: its suite -> the nearest of its states."""
    table = table or load_withheld()
    own = table.base_task(suite, task)
    found: dict[str, NearestLayout] = {}
    if own.scene is None:
        return found
    positions = _positions(suite, task, own, places)
    for layouts in table.layouts[own.scene]:
        distances = layout_distances(layouts, own.goal, positions)
        state = int(distances.argmin())
        near = NearestLayout(float(distances[state]), layouts.suite, layouts.task, state)
        found[layouts.suite] = min(near, found.get(layouts.suite, near))
    return found


def layout_distances(
    layouts: VariantLayouts, goal: Sequence[str], places: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """How far a layout is from each state of a variant's task, metres in the plane, ``[EVALUATION_EPISODES]``.

    It is the distance of the thing that is farthest from its place, of those that the layout's `goal` names.
    """
    found = [
        np.max([_apart(layouts.places[thing], places[other]) for thing, other in pairs], axis=0)
        for pairs in _stand_ins(goal, {name: place for name, place in places.items() if name in layouts.places})
    ]
    nearest: NDArray[np.float64] = np.min(found, axis=0)
    return nearest


def _apart(places: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances in the plane, ``[N]``, of a place ``[3]`` from others ``[N, 3]``."""
    apart: NDArray[np.float64] = np.linalg.norm((places - place)[:, :2], axis=1)
    return apart


def _stand_ins(goal: Sequence[str], places: Mapping[str, NDArray[np.float64]]) -> Iterator[list[tuple[str, str]]]:
    """All ways to have things of the same classes in the place of those that a goal names: (stored thing, thing)."""
    alike = [[name for name in places if _kind(name) == _kind(thing)] for thing in goal]
    for names in itertools.product(*alike):
        if len(set(names)) == len(names):
            yield list(zip(goal, names, strict=True))


def _kind(thing: str) -> str:
    return thing.rpartition("_")[0]


def _positions(
    suite: str, task: str, own: BaseTask, places: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """The given places, checked: that what the goal names is among them, and that those of its classes are places."""
    if missing := sorted(set(own.goal) - set(places)):
        raise ValueError(
            f"places lack {', '.join(missing)}, which the goal of {suite}/{task} names; they tell "
            f"{', '.join(sorted(places)) or 'nothing'}. Add where they are."
        )
    kinds = set(map(_kind, own.goal))
    found = {thing: np.asarray(place, np.float64) for thing, place in places.items() if _kind(thing) in kinds}
    for thing, position in found.items():
        if position.shape != (3,) or not np.isfinite(position).all():
            raise ValueError(f"places: {thing} must have a position, 3 finite numbers, got {position.tolist()}.")
    return found
