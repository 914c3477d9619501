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

    @property
    def centre(self) -> Vector:
        """Middle of the box, ``[3]``."""
        return (self.low + self.high) / 2

    @property
    def size(self) -> Vector:
        """Edge lengths, ``[3]``."""
        return self.high - self.low


class OrientedBox(NamedTuple):
    """A box of any orientation: pose of its centre and half its edge lengths along its own axes, ``[3]``."""

    pose: Pose
    half_size: Vector

    def bounds(self) -> Box:
        """The smallest world-aligned box around it."""
        reach = np.abs(self.pose.rotation) @ self.half_size
        return Box(self.pose.position - reach, self.pose.position + reach)


class Region(NamedTuple):
    """A box-shaped region that goals refer to.

    Attributes:
        pose: of its centre.
        half_size: half its edge lengths along its own axes, ``[3]``.
        parent: the object or fixture it is part of; None for one on the table.
        is_articulated: whether it moves with a joint of its own (a drawer).
    """

    pose: Pose
    half_size: Vector
    parent: str | None
    is_articulated: bool


class Joint(NamedTuple):
    """A hinge or slide by which something opens, closes or is switched.

    Attributes:
        value: present position (metres or radians).
        limits: lowest and highest position; 0, near one of them, is closed or off.
        axis: direction in the world, ``[3]``: of motion for a slide, of the hinge's line otherwise.
        anchor: a point on the axis, ``[3]``.
        boxes: the collision geometry that moves with it, one box a geom.
    """

    value: float
    limits: tuple[float, float]
    axis: Vector
    anchor: Vector
    boxes: tuple[OrientedBox, ...]

    @property
    def far_end(self) -> float:
        """The limit farther from 0: fully open, or fully on."""
        return max(self.limits, key=abs)


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

    def is_region(self, name: str) -> bool:
        """Whether `name` is a region (not an object, not a fixture)."""
        ...

    def region(self, name: str) -> Region:
        """A region's place and size."""
        ...

    def has_joint(self, name: str) -> bool:
        """Whether `name` opens, closes or can be switched: a drawer's region, a fixture with a door or a knob."""
        ...

    def joint(self, name: str) -> Joint:
        """The joint of an articulated region (drawer) or of a fixture (door, knob)."""
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

    def underside(self, name: str, spacing: float) -> Vector:
        """Points ``[N, 3]`` of an object's lower surface, on a horizontal grid of the given spacing (metres)."""
        ...

    def height_map(
        self, low: Vector, high: Vector, spacing: float, target: str | None, hide_target: bool = False
    ) -> HeightMap:
        """Height map over the rectangle from `low` ``[2]`` to `high` ``[2]``.

        Args:
            low: smallest x and y.
            high: largest x and y.
            spacing: distance between neighbouring points.
            target: object marked in `HeightMap.is_target`; None marks nothing.
            hide_target: look through the target (to see what is below a held object).
        """
        ...

    def view(
        self,
        frame: Rotation,
        start: float,
        low: Vector,
        high: Vector,
        spacing: float,
        target: str | None,
        hide_target: bool = False,
    ) -> HeightMap:
        """What a camera sees that looks along the third axis of `frame` backwards: a height map in that frame.

        A point ``p`` of the world has the coordinates ``frame.T @ p`` there. With the identity it is `height_map`.

        Args:
            frame: the axes as columns; the third points to the camera.
            start: coordinate along the third axis from which the camera sees: what is beyond is left out.
            low: smallest coordinates along the first two axes, ``[2]``.
            high: largest coordinates, ``[2]``.
            spacing: distance between neighbouring points.
            target: object marked in `HeightMap.is_target`; None marks nothing.
            hide_target: look through the target.
        """
        ...
