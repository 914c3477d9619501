"""Reads from a simulator what the draw of a layout knows of a scene."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.layout.arrangement import footprint_of, rotate
from eval_bridge.simulators.libero.layout.roles import roles_of
from eval_bridge.simulators.libero.layout.scene import Body, Ground, LayoutScene, LevelPlace, View, top_of
from eval_bridge.simulators.libero.scene_geometry import Pose
from eval_bridge.simulators.libero.scene_queries import SceneQueries

_LEVEL = 0.99  # a region whose normal is less upright slopes
_STANDS = np.cos(0.1)  # a thing whose vertical has turned further has fallen over, or leans
_THIN = 0.01  # a region higher than this is a room, no place on something (half of its height, metres)
_SPACING = 0.05  # at which the table is looked at (metres)
_SEEN = 1.2  # how far to every side of the robot's foot (metres)
_FLAT = 0.004  # what a level top may differ in height (metres)
_LOOKED_AT = np.linspace(-0.85, 0.85, 7)  # at which shares of its half size a top is looked at
_BESIDE = 0.07  # kept free around a region of the table to which the goal moves something (metres)


def measure_scene(simulator: LiberoSimulator, start: EpisodeStart) -> LayoutScene:
    """What a layout of this start can be drawn from. `begin` must follow.

    Things are as they have settled, where what the start has in each other is apart and what stands on something lies
    on it; what falls over as it settles is as the start has it.
    """
    simulator.begin(start)
    queries = simulator.queries
    fixtures, things = queries.fixture_names, queries.object_names
    poses = queries.poses_in(simulator.state())
    settled = {name: _shape(queries, name, poses[name]) for name in things}
    bodies = {name: _shape(queries, name, start.fixture_poses[name])._replace(is_fixture=True) for name in fixtures}
    rotations = {name: queries.pose(name).rotation for name in things}
    ground = _ground(queries)
    own = {name: body for name, body in settled.items() if name not in simulator.changes.stranger_names}
    level_places = _level_places(queries) | _level_tops(queries, own)
    kept_free = tuple(_around(queries, name) for name in _goal_regions(queries) if queries.region(name).parent is None)
    camera, angle = queries.camera("agentview")
    parents = {name: queries.region(name).parent for name in queries.region_names}
    roles = roles_of(simulator.instruction, simulator.goal.predicates, things, fixtures, parents)
    supports, inside = _supports(queries)
    simulator.restore(start.state)
    for name, pose in queries.poses_in(start.state).items():
        has_fallen = (rotations[name] @ queries.pose(name).rotation.T)[2, 2] < _STANDS
        body = _shape(queries, name, pose) if has_fallen else settled[name]
        if has_fallen:
            bottom = settled[name].position[2] + settled[name].low[2]
            body.position[2] = bottom - body.low[2]
        bodies[name] = body._replace(support=supports.get(name), is_inside=name in inside)
    view = View(camera.position, camera.rotation, float(np.tan(angle / 2)))
    strangers = frozenset(simulator.changes.stranger_names)
    return LayoutScene(bodies, roles, level_places, kept_free, ground, view, strangers)


def _shape(queries: SceneQueries, name: str, pose: NDArray[np.float64]) -> Body:
    """A body that is now at `pose` ``[7]``."""
    yaw = _yaw_of_sides(queries.pose(name).rotation)
    box = queries.world_box(queries.collision_geoms(name), yaw)
    origin = np.array([*rotate(pose[:2], -yaw), pose[2]])
    return Body(pose[:3].copy(), pose[3:].copy(), yaw, box.lower - origin, box.upper - origin)


def _yaw_of_sides(rotation: NDArray[np.float64]) -> float:
    """Direction in which the most horizontal of a body's axes points, radians."""
    axis = rotation[:, int(np.argmin(np.abs(rotation[2])))]
    return float(np.arctan2(axis[1], axis[0]))


def _goal_regions(queries: SceneQueries) -> list[str]:
    named = {name for predicate in queries.goal for name in predicate.arguments}
    return [name for name in queries.region_names if name in named]


def _around(queries: SceneQueries, name: str) -> NDArray[np.float64]:
    region = queries.region(name)
    centre, reach = region.pose.position[:2], region.half_size[:2].max() + _BESIDE
    return np.array([centre - reach, centre + reach])


def _supports(queries: SceneQueries) -> tuple[dict[str, str], set[str]]:
    """Thing -> the body that the task's definition puts it on or in; and which of them are in something."""
    supports, inside = {}, set()
    for predicate in queries.initial_conditions:
        if len(predicate.arguments) != 2:
            continue
        name, place = predicate.arguments
        parent = queries.region(place).parent if place in queries.region_names else place
        if name in queries.object_names and parent is not None:
            supports[name] = parent
            if predicate.name.lower() == "in":
                inside.add(name)
    return supports, inside


def _level_places(queries: SceneQueries) -> dict[str, LevelPlace]:
    """Thin, level, unmoving regions of fixtures, at the height of what is there."""
    things = _geoms(queries, queries.object_names)
    places = {}
    for name in queries.region_names:
        region = queries.region(name)
        upright = abs(region.pose.rotation[2, 2]) > _LEVEL
        if region.parent not in queries.fixture_names or region.is_articulated or not upright:
            continue
        if region.half_size[2] < _THIN:
            yaw = _yaw_of_sides(region.pose.rotation)
            x, y, _ = region.pose.position
            height = float(queries.surface(np.array([x]), np.array([y]), things).heights[0])
            places[name] = LevelPlace(
                region.parent, np.array([x, y, height]), _half_size(region.pose, region.half_size, yaw), yaw
            )
    return places


def _level_tops(queries: SceneQueries, things: Mapping[str, Body]) -> dict[str, LevelPlace]:
    """The tops of things that are flat and lower than they are wide, whatever stands on them now."""
    all_things, places = _geoms(queries, queries.object_names), {}
    for name, body in things.items():
        if (body.high - body.low)[2] > (body.high - body.low)[:2].min():
            continue
        box, bottom = footprint_of(body, body.position), body.position[2] + body.low[2]
        across, along = (grid.ravel() for grid in np.meshgrid(*(box.half_size[:, None] * _LOOKED_AT)))
        offsets = [rotate(np.array(offset), box.yaw) for offset in zip(across, along, strict=True)]
        x, y = (box.centre + np.array(offsets)).T
        heights = queries.surface(x, y, np.setdiff1d(all_things, queries.collision_geoms(name))).heights
        if np.ptp(heights) < _FLAT and heights.min() > bottom + _FLAT:
            places[top_of(name)] = LevelPlace(name, np.array([*box.centre, heights.max()]), box.half_size, box.yaw)
    return places


def _geoms(queries: SceneQueries, names: Iterable[str]) -> NDArray[np.int64]:
    return np.concatenate([queries.collision_geoms(name) for name in names])


def _half_size(pose: Pose, half_size: NDArray[np.float64], yaw: float) -> NDArray[np.float64]:
    """Half the edges of an upright box along axes turned by `yaw`, ``[2]``."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    axes = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0]])
    return np.abs(axes @ pose.rotation) @ half_size


def _ground(queries: SceneQueries) -> Ground:
    """The surface under everything, and the rectangle around the robot that it covers."""
    foot = queries.base_position()[:2]
    ticks = np.arange(-_SEEN, _SEEN + _SPACING / 2, _SPACING)
    x, y = (grid.ravel() for grid in np.meshgrid(foot[0] + ticks, foot[1] + ticks, indexing="ij"))
    hidden = _geoms(queries, (*queries.object_names, *queries.fixture_names))
    heights = queries.surface(x, y, hidden).heights
    height = float(heights.max())
    points = np.column_stack([x, y])[heights > height - 1e-3]
    return Ground(height, points.min(axis=0), points.max(axis=0), foot)
