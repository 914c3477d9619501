"""What a scripted expert may ask of a simulated scene: types only, no simulator.

The LIBERO side is `eval_bridge.simulators.libero.scene_queries.SceneQueries`; tests use small fake scenes.
All positions are in metres in the world frame (z up), rotations are 3x3 matrices whose columns are the body's axes.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Rotation = NDArray[np.float64]


class Pose(NamedTuple):
    """Position ``[3]`` and rotation ``[3, 3]`` of a body."""

    position: Vector
    rotation: Rotation


class Box(NamedTuple):
    """Axis-aligned bounding box: its lowest and its highest corner, ``[3]`` each."""

    low: Vector
    high: Vector


class HeightMap(NamedTuple):
    """What a camera straight above would see of the scene's collision surfaces, the robot left out.

    Attributes:
        x: coordinates of the rows, ascending and evenly spaced, ``[X]``.
        y: coordinates of the columns, likewise, ``[Y]``.
        height: highest surface at ``(x, y)``, ``[X, Y]``; ``-inf`` where there is nothing.
        is_target: whether that surface belongs to the object asked for, ``bool [X, Y]``.
    """

    x: Vector
    y: Vector
    height: NDArray[np.float64]
    is_target: NDArray[np.bool_]


class Scene(Protocol):
    """The privileged state of one task, read only."""

    def goal(self) -> Sequence[tuple[str, ...]]:
        """The task's goal predicates, e.g. ``[("on", "akita_black_bowl_1", "plate_1")]``."""
        ...

    def is_satisfied(self, predicate: tuple[str, ...]) -> bool:
        """Whether one goal predicate holds now."""
        ...

    def hand(self) -> Pose:
        """The grip site between the fingers; its z axis points out of the hand, its x axis is the opening axis."""
        ...

    def finger_opening(self) -> float:
        """Distance between the two fingers (metres, 0 closed, about 0.08 open)."""
        ...

    def robot_base(self) -> Vector:
        """Position of the robot's base."""
        ...

    def pose(self, name: str) -> Pose:
        """Pose of an object, or of a named region of a fixture."""
        ...

    def centre_of_mass(self, name: str) -> Vector:
        """Centre of mass of an object."""
        ...

    def bounding_box(self, name: str) -> Box:
        """World bounding box of an object's collision geometry."""
        ...

    def touches_something(self, name: str) -> bool:
        """Whether an object is in contact with anything but the robot."""
        ...

    def is_movable(self, name: str) -> bool:
        """Whether `name` is an object that can be carried (not a fixture, not a region)."""
        ...

    def height_map(
        self, low: Vector, high: Vector, spacing: float, target: str, hide_target: bool = False
    ) -> HeightMap:
        """Height map over the rectangle from `low` ``[2]`` to `high` ``[2]``.

        Args:
            low: smallest x and y.
            high: largest x and y.
            spacing: distance between neighbouring points.
            target: object marked in `HeightMap.is_target`.
            hide_target: look through the target (to see what is below a held object).
        """
        ...
