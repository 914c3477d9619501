"""A LIBERO scene as the scripted expert sees it."""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.scene import Box, HeightMap, Joint, OrientedBox, Pose, Region, Rotation, Vector
from eval_bridge.simulators.libero.scene_geometry import Predicate
from eval_bridge.simulators.libero.scene_queries import SceneQueries


class LiberoScene:
    """Implements `eval_bridge.experts.scene.Scene` by the queries of a LIBERO simulator."""

    def __init__(self, queries: SceneQueries) -> None:
        self._queries = queries

    def goal(self) -> list[tuple[str, ...]]:
        """The task's goal predicates."""
        return [(predicate.name, *predicate.arguments) for predicate in self._queries.goal]

    def is_satisfied(self, predicate: tuple[str, ...]) -> bool:
        """Whether one goal predicate holds now."""
        return self._queries.holds(Predicate(predicate[0], predicate[1:]))

    def hand(self) -> Pose:
        """The grip site between the fingers."""
        return Pose(self._queries.eef_position(), self._queries.eef_rotation())

    def finger_opening(self) -> float:
        """Distance between the two fingers (metres)."""
        return self._queries.finger_width()

    def robot_base(self) -> Vector:
        """Position of the robot's base."""
        return self._queries.base_position()

    def pose(self, name: str) -> Pose:
        """Pose of an object, a fixture or a region."""
        of_region = name in self._queries.region_names
        return Pose(*(self._queries.region(name).pose if of_region else self._queries.pose(name)))

    def is_region(self, name: str) -> bool:
        """Whether `name` is a region."""
        return name in self._queries.region_names

    def region(self, name: str) -> Region:
        """A region's place and size."""
        found = self._queries.region(name)
        return Region(Pose(*found.pose), found.half_size, found.parent, found.is_articulated)

    def has_joint(self, name: str) -> bool:
        """Whether `name` opens, closes or can be switched."""
        return self._queries.has_joint(name)

    def joint(self, name: str) -> Joint:
        """The joint of an articulated region or of a fixture."""
        found = self._queries.joint(name)
        geom_boxes = [self._queries.geom_box(int(geom)) for geom in found.geoms]
        boxes = tuple(OrientedBox(Pose(*box.pose), box.half_size) for box in geom_boxes)
        return Joint(found.value, found.limits, found.axis, found.anchor, boxes)

    def centre_of_mass(self, name: str) -> Vector:
        """Centre of mass of an object."""
        return self._queries.centre_of_mass(name)

    def bounding_box(self, name: str) -> Box:
        """World bounding box of an object's collision geometry."""
        return Box(*self._queries.world_box(self._queries.collision_geoms(name)))

    def touches_something(self, name: str) -> bool:
        """Whether an object is in contact with anything but the robot."""
        return self._queries.is_supported(name)

    def is_movable(self, name: str) -> bool:
        """Whether `name` is an object that can be carried."""
        return name in self._queries.object_names

    def underside(self, name: str, spacing: float) -> Vector:
        """Points ``[N, 3]`` of an object's lower surface."""
        return self._queries.underside(name, spacing)

    def height_map(
        self, low: Vector, high: Vector, spacing: float, target: str | None, hide_target: bool = False
    ) -> HeightMap:
        """Height map over a rectangle; see `Scene.height_map`."""
        x, y = (np.arange(low[axis], high[axis] + spacing / 2, spacing) for axis in (0, 1))
        across, along = (grid.ravel() for grid in np.meshgrid(x, y, indexing="ij"))
        own = self._geoms_of(target)
        surface = self._queries.surface(across, along, own if hide_target else ())
        return _height_map(x, y, np.where(surface.geoms < 0, -np.inf, surface.heights), np.isin(surface.geoms, own))

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
        """Height map in a turned frame; see `Scene.view`."""
        x, y = (np.arange(low[axis], high[axis] + spacing / 2, spacing) for axis in (0, 1))
        across, along = (grid.ravel() for grid in np.meshgrid(x, y, indexing="ij"))
        origins = np.stack([across, along, np.full(len(across), start)], axis=1) @ frame.T
        own = self._geoms_of(target)
        hits = self._queries.first_hits(origins, -frame[:, 2], own if hide_target else ())
        return _height_map(x, y, start - hits.distances, np.isin(hits.geoms, own))

    def _geoms_of(self, target: str | None) -> NDArray[np.int64]:
        return np.zeros(0, np.int64) if target is None else self._queries.collision_geoms(target)


def _height_map(x: Vector, y: Vector, heights: Vector, is_target: NDArray[np.bool_]) -> HeightMap:
    """A height map of values for every ``(x, y)``, ``[X Y]`` in a row."""
    shape = (len(x), len(y))
    return HeightMap(x, y, heights.reshape(shape), is_target.reshape(shape))
