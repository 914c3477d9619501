"""How LIBERO-PRO's objects look beside those in whose place they are: another colour, another size, another shape."""

from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.surface_colour import surface_colour

VISUAL_GROUP = 1
"""Of the geoms that are drawn; the others are what things collide with."""


class Appearance(NamedTuple):
    """What is seen of an object or fixture.

    Attributes:
        colour: mean of its surface, L*a*b* ``[3]``.
        pieces: of each geom that is drawn, the number of its vertices; negative of a plain shape, its kind.
        sizes: of each, how far its vertices lie from their middle (root mean square); edges of a plain shape.
    """

    colour: NDArray[np.float64]
    pieces: tuple[int, ...]
    sizes: NDArray[np.float64]


def appearance(env: Any, thing: str) -> Appearance:
    """Of an object or fixture of a LIBERO environment."""
    model = env.sim.model._model
    geoms = drawn_geoms(env, thing)
    pieces, sizes = zip(*(_piece(model, geom) for geom in geoms), strict=True)
    return Appearance(surface_colour(model, geoms), pieces, np.array(sizes))


def drawn_geoms(env: Any, thing: str) -> list[int]:
    """The geoms that are drawn of an object or fixture of a LIBERO environment."""
    model = env.sim.model._model
    bodies = {int(env.obj_body_id[thing])}
    for body in range(min(bodies) + 1, model.nbody):  # parents have smaller ids than their children
        if int(model.body_parentid[body]) in bodies:
            bodies.add(body)
    drawn = np.isin(model.geom_bodyid, list(bodies)) & (model.geom_group == VISUAL_GROUP)
    return [int(geom) for geom in np.flatnonzero(drawn)]


def scale_between(base: Appearance, other: Appearance) -> float | None:
    """How many times as large `other` is as `base`; None if it has another shape."""
    if base.pieces != other.pieces:
        return None
    return float(np.median(other.sizes / base.sizes))


def _piece(model: Any, geom: int) -> tuple[int, float]:
    kind = int(model.geom_type[geom])
    if kind != mujoco.mjtGeom.mjGEOM_MESH:
        return -kind, float(np.linalg.norm(model.geom_size[geom]))
    mesh = int(model.geom_dataid[geom])
    start, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
    vertices = model.mesh_vert[start : start + count]
    return count, float(np.sqrt(((vertices - vertices.mean(axis=0)) ** 2).sum(axis=1).mean()))
