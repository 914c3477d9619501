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
    near = seen & _may_be_met(model, data, x, y)
    return _cast(model, data, x, y, near, start=float(data.geom_xpos[:, 2].max()) + _FAR, direction=-1.0)


def cast_up(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seen: NDArray[np.bool_],
) -> Surface:
    """The lowest surface over the points ``(x, y)``, ``[N]`` each, of the geoms that `seen` ``[G]`` marks."""
    return _cast(model, data, x, y, seen, start=float(data.geom_xpos[:, 2].min()) - _FAR, direction=1.0)


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


def _cast(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seen: NDArray[np.bool_],
    start: float,
    direction: float,
) -> Surface:
    heights, hits = np.full(len(x), -1.0), np.full(len(x), _NOTHING, np.int64)
    origin, way, hit = np.array([0.0, 0.0, start]), np.array([0.0, 0.0, direction]), np.zeros(1, np.int32)
    groups = np.zeros(mujoco.mjNGROUP, np.uint8)
    groups[_SEEN_GROUP] = 1
    with _showing(model, seen):
        for index, (origin[0], origin[1]) in enumerate(zip(x, y, strict=True)):
            distance = mujoco.mj_ray(model, data, origin, way, groups, 1, -1, hit)
            if distance >= 0:
                heights[index], hits[index] = start + direction * distance, hit[0]
    return Surface(heights, hits)


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


def _may_be_met(
    model: mujoco.MjModel, data: mujoco.MjData, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Geoms ``[G]`` whose bounding sphere reaches the points' bounding rectangle: the others only cost time."""
    if not len(x):
        return np.zeros(model.ngeom, bool)
    radius = np.where(model.geom_rbound > 0, model.geom_rbound, np.inf)  # a plane has none
    centre = data.geom_xpos[:, :2]
    low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
    apart = np.maximum(np.maximum(low - centre, centre - high), 0.0)
    reached: NDArray[np.bool_] = np.hypot(apart[:, 0], apart[:, 1]) <= radius
    return reached
