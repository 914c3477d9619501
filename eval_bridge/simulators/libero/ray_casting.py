"""What rays meet in a MuJoCo model. Nothing of the simulation is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

_SEEN_GROUP, _HIDDEN_GROUP = 0, 5
_NOTHING = -1
_FAR = 1.0  # beyond everything: where rays start (metres)


class Surface(NamedTuple):
    """What the rays under, or over, N points met first.

    Attributes:
        heights: ``[N]``, -1 where there is nothing.
        geoms: id of the geom, int ``[N]``, -1 where there is nothing.
    """

    heights: NDArray[np.float64]
    geoms: NDArray[np.int64]


class Hits(NamedTuple):
    """What each of N rays met first.

    Attributes:
        distances: from the ray's origin, ``[N]``, infinite where there is nothing.
        geoms: id of the geom, int ``[N]``, -1 where there is nothing.
    """

    distances: NDArray[np.float64]
    geoms: NDArray[np.int64]


def cast_down(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> Surface:
    """The topmost surface under the points ``(x, y)``, ``[N]`` each, of the geoms that `seen` ``[G]`` marks."""
    return _surface(model, data, x, y, seen, start=float(data.geom_xpos[:, 2].max()) + _FAR, way=-1.0)


def cast_up(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> Surface:
    """The lowest surface over the points ``(x, y)``, ``[N]`` each, of the geoms that `seen` ``[G]`` marks."""
    return _surface(model, data, x, y, seen, start=float(data.geom_xpos[:, 2].min()) - _FAR, way=1.0)


def cast_along(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    origins: NDArray[np.float64],
    direction: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> Hits:
    """The first surfaces on parallel rays of the geoms that `seen` ``[G]`` marks.

    Args:
        model: the compiled model.
        data: its state.
        origins: where the rays start, ``[N, 3]``.
        direction: unit vector ``[3]``.
        seen: which geoms they may meet, ``[G]``.
    """
    distances, hits = np.full(len(origins), np.inf), np.full(len(origins), _NOTHING, np.int64)
    hit, groups = np.zeros(1, np.int32), np.zeros(mujoco.mjNGROUP, np.uint8)
    groups[_SEEN_GROUP] = 1
    with _showing(model, seen):
        for index, origin in enumerate(np.ascontiguousarray(origins, np.float64)):
            distance = mujoco.mj_ray(model, data, origin, direction, groups, 1, -1, hit)
            if distance >= 0:
                distances[index], hits[index] = distance, hit[0]
    return Hits(distances, hits)


def _surface(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seen: NDArray[np.bool_],
    start: float,
    way: float,
) -> Surface:
    """What rays met that start at height `start` and go up (`way` 1) or down (-1)."""
    origins = np.column_stack([x, y, np.full(len(x), start)])
    hits = cast_along(model, data, origins, np.array([0.0, 0.0, way]), seen)
    return Surface(np.where(hits.geoms >= 0, start + way * hits.distances, -1.0), hits.geoms)


@contextmanager
def _showing(model: mujoco.MjModel, seen: NDArray[np.bool_]) -> Iterator[None]:
    """Lets rays meet the geoms of `seen` only: they pass what is transparent or in a hidden group.

    Some of LIBERO's collision geoms are transparent, and visual meshes are not.
    """
    group, colour = model.geom_group.copy(), model.geom_rgba.copy()
    model.geom_group[:] = np.where(seen, _SEEN_GROUP, _HIDDEN_GROUP)
    model.geom_rgba[:, 3] = 1.0
    try:
        yield
    finally:
        model.geom_group[:], model.geom_rgba[:] = group, colour
