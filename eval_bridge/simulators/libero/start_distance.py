"""How far apart episode starts of a LIBERO task are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.scene_queries import SceneQueries

_ARM_JOINTS = slice(1, 8)
"""In a flattened state: behind the time come the joints of the robot, its arm first."""


class StartPositions(NamedTuple):
    """Where things are in N starts of a task.

    Attributes:
        objects: positions of the movable objects, metres, ``float64 [N, O, 3]``.
        arm: angles of the arm's joints, radians, ``float64 [N, 7]``.
    """

    objects: NDArray[np.float64]
    arm: NDArray[np.float64]


class NearestPair(NamedTuple):
    """Two starts that are closer together than all others.

    Attributes:
        first: index of the one, in the first set.
        second: index of the other, in the second set.
        objects: how far apart the object that moved most is, metres.
        arm: how far apart the joint that moved most is, radians.
    """

    first: int
    second: int
    objects: float
    arm: float


def positions_of(queries: SceneQueries, states: Sequence[NDArray[np.float64]], names: Sequence[str]) -> StartPositions:
    """Positions of the movable objects `names` in flattened states ``[S]`` of the scene that `queries` know.

    There are N states, at least one; the objects are in the order of their names.
    """
    positions = [queries.positions_in(state) for state in states]
    objects = [[each[name] for name in names] for each in positions]
    return StartPositions(np.array(objects).reshape(len(states), -1, 3), np.array(states)[:, _ARM_JOINTS])


def nearest_pair(first: StartPositions, second: StartPositions) -> NearestPair:
    """The pair, one of each set, whose objects lie closest; where several do, that whose arms do.

    The distance of a pair is that of the object that is farthest from its counterpart: 0 only if all of them coincide.
    """
    objects, arm = _distances(first, second)
    return _smallest(objects, arm)


def nearest_pair_within(starts: StartPositions) -> NearestPair:
    """The same for two different starts of one set, of two at least: a scale for what `nearest_pair` finds."""
    objects, arm = _distances(starts, starts)
    np.fill_diagonal(objects, np.inf)
    return _smallest(objects, arm)


def _distances(first: StartPositions, second: StartPositions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances of all pairs by objects and by arm, ``[N, M]`` each."""
    apart = np.linalg.norm(first.objects[:, None] - second.objects[None], axis=-1)
    turned = np.abs(first.arm[:, None] - second.arm[None])
    return apart.max(axis=-1, initial=0.0), turned.max(axis=-1)


def _smallest(objects: NDArray[np.float64], arm: NDArray[np.float64]) -> NearestPair:
    order = np.lexsort((arm.ravel(), objects.ravel()))
    one, other = np.unravel_index(order[0], objects.shape)
    return NearestPair(int(one), int(other), float(objects[one, other]), float(arm[one, other]))
