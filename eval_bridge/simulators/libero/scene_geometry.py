"""What queries of a LIBERO scene answer. Lengths are metres, angles radians, all in the world's frame unless said."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pose(NamedTuple):
    """Position ``[3]`` and rotation matrix ``[3, 3]`` (columns are the axes)."""

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]


class Box(NamedTuple):
    """Axis-aligned box: lowest and highest corner, ``[3]`` each."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @property
    def centre(self) -> NDArray[np.float64]:
        """Middle of the box, ``[3]``."""
        return (self.lower + self.upper) / 2

    @property
    def size(self) -> NDArray[np.float64]:
        """Edge lengths, ``[3]``."""
        return self.upper - self.lower


class Predicate(NamedTuple):
    """One condition of the goal: ``on``, ``in``, ``open``, ``close``, ``turnon`` or ``turnoff`` of some things."""

    name: str
    arguments: tuple[str, ...]


class Region(NamedTuple):
    """A box-shaped site that goals refer to.

    Attributes:
        pose: of its centre.
        half_size: half its edge lengths along its own axes, ``[3]``.
        parent: the object or fixture it is part of; None for one on the table.
        is_articulated: whether it moves with a joint of its own (a drawer).
    """

    pose: Pose
    half_size: NDArray[np.float64]
    parent: str | None
    is_articulated: bool


class Joint(NamedTuple):
    """A hinge or slide that opens, closes or switches something.

    Attributes:
        value: current position, metres or radians.
        limits: lowest and highest position; 0, near one of them, is closed or off.
        axis: direction in the world, ``[3]``.
        anchor: a point on the axis, ``[3]``.
        geoms: ids of the collision geoms that move with it.
    """

    value: float
    limits: tuple[float, float]
    axis: NDArray[np.float64]
    anchor: NDArray[np.float64]
    geoms: NDArray[np.int64]


class GeomBox(NamedTuple):
    """Bounding box of a geom along its own axes: pose of its centre and half its edge lengths, ``[3]``."""

    pose: Pose
    half_size: NDArray[np.float64]
