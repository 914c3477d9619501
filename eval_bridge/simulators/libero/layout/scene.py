"""What the draw of a layout knows of a scene. Lengths in metres, angles in radians, in the world's frame."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.layout.roles import Roles

Vector = NDArray[np.float64]


class Body(NamedTuple):
    """A thing that moves, or a fixture, as its own start has it.

    Attributes:
        position: of its origin when it rests on what it stands on, ``[3]``.
        quaternion: its rotation, w first, ``[4]``: upright as its own start has it.
        yaw: in which direction the sides of the box around it point.
        low, high: corners of that box, relative to the origin and in axes turned by `yaw`, ``[3]`` each.
        support: the body that it stands on or in; None: the table or the floor.
        is_fixture: whether it is one.
        is_inside: whether it is in something (a drawer), where only it is known to fit.
    """

    position: Vector
    quaternion: Vector
    yaw: float
    low: Vector
    high: Vector
    support: str | None = None
    is_fixture: bool = False
    is_inside: bool = False

    @property
    def heading(self) -> float:
        """How far it is turned about the vertical, radians: of an upright body, from its quaternion."""
        w, x, y, z = self.quaternion
        return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


class LevelPlace(NamedTuple):
    """A level place on a body: a region of a fixture, or the top of a flat thing.

    Attributes:
        carrier: the body. centre: of the surface, ``[3]``. half_size: ``[2]``, along axes turned by `yaw`.
    """

    carrier: str
    centre: Vector
    half_size: Vector
    yaw: float


def top_of(thing: str) -> str:
    """The name of the level place that is the top of a thing."""
    return f"{thing}_top"


class Ground(NamedTuple):
    """The table or the floor.

    Attributes:
        height: of its surface. low, high: corners of the rectangle that it covers at least, ``[2]`` each.
        foot: of the robot, ``[2]``.
    """

    height: float
    low: Vector
    high: Vector
    foot: Vector


class View(NamedTuple):
    """The camera in whose picture everything must be.

    Attributes:
        position: ``[3]``. rotation: columns are right, up and backwards, ``[3, 3]``. slope: tangent of half its angle.
    """

    position: Vector
    rotation: NDArray[np.float64]
    slope: float

    def shows(self, point: Vector) -> bool:
        """Whether a point ``[3]`` is in the picture, and not at its very edge."""
        right, up, backwards = self.rotation.T @ (point - self.position)
        return bool(backwards < 0 and max(abs(right), abs(up)) < 0.95 * self.slope * -backwards)


class LayoutScene(NamedTuple):
    """A scene whose layout is drawn.

    Attributes:
        bodies: by name. roles: what they are to the task.
        level_places: by the name of their region, or `top_of` a thing.
        kept_free: rectangles on the table, lowest and highest corner ``[2, 2]``, to which the goal moves something.
        ground: what everything stands on. view: that of the camera that looks on.
        strangers: things of other scenes, which lie far away.
    """

    bodies: Mapping[str, Body]
    roles: Roles
    level_places: Mapping[str, LevelPlace]
    kept_free: tuple[NDArray[np.float64], ...]
    ground: Ground
    view: View
    strangers: frozenset[str] = frozenset()
