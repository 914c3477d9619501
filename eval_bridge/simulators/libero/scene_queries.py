"""Privileged geometry of a LIBERO scene, for a scripted expert. Never for a policy.

Names are those of the task's BDDL file: objects that move (``akita_black_bowl_1``), fixtures (``wooden_cabinet_1``)
and regions (``wooden_cabinet_1_top_region``). Lengths are metres, angles radians, all in the world's frame unless
said.
No query changes the simulation: after any of them the same actions give the same states, bit for bit.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.ray_casting import Hits, Surface, cast_along, cast_down, cast_up
from eval_bridge.simulators.libero.scene_geometry import Box, GeomBox, Joint, Pose, Predicate, Region

_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)


class SceneQueries:
    """Reads poses, shapes, contacts and goal conditions of a LIBERO environment."""

    def __init__(self, env: Any) -> None:
        """Looks up what never changes while the model stays compiled."""
        self._env = env
        self._model: mujoco.MjModel = env.sim.model._model
        self._data: mujoco.MjData = env.sim.data._data
        self._eef_site: int = env.robots[0].eef_site_id
        self._robot_base = int(self._model.body_rootid[self._model.site_bodyid[self._eef_site]])
        self._is_collision = (self._model.geom_contype != 0) | (self._model.geom_conaffinity != 0)
        self._robot_geoms = np.flatnonzero(self._model.body_rootid[self._model.geom_bodyid] == self._robot_base)
        fingers = env.robots[0].gripper.joints
        self._finger_addresses = [int(self._model.joint(name).qposadr[0]) for name in fingers]

    # --- the robot

    def eef_position(self) -> NDArray[np.float64]:
        """Point between the fingertips, ``[3]``."""
        return self._data.site_xpos[self._eef_site].copy()

    def eef_rotation(self) -> NDArray[np.float64]:
        """Orientation of the gripper, ``[3, 3]``: x is the opening direction, z points from the palm outwards."""
        return self._data.site_xmat[self._eef_site].reshape(3, 3).copy()

    def finger_width(self) -> float:
        """Distance between the fingers: about 0.08 open, 0 closed."""
        left, right = self._finger_addresses
        return float(self._data.qpos[left] - self._data.qpos[right])

    def base_position(self) -> NDArray[np.float64]:
        """Foot of the arm, ``[3]``."""
        return self._data.xpos[self._robot_base].copy()

    # --- objects, fixtures, regions

    @property
    def object_names(self) -> tuple[str, ...]:
        """Objects that can move."""
        return tuple(self._env.objects_dict)

    @property
    def fixture_names(self) -> tuple[str, ...]:
        """Fixtures, the table and the floor left out."""
        return tuple(self._env.fixtures_dict)

    @property
    def region_names(self) -> tuple[str, ...]:
        """Named boxes on the table, and on or in objects and fixtures."""
        return tuple(self._env.object_sites_dict)

    def pose(self, name: str) -> Pose:
        """Where the origin of an object or fixture is."""
        body = self._body(name)
        return Pose(self._data.xpos[body].copy(), self._data.xmat[body].reshape(3, 3).copy())

    def positions_in(self, state: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Where the origins of all movable objects are in a flattened state ``[S]`` of this task, ``[3]`` each."""
        first = {name: int(self._free_joint(name).qposadr[0]) for name in self._env.objects_dict}
        return {name: np.array(state[1 + index : 4 + index]) for name, index in first.items()}  # 0 is the time

    def poses_in(self, state: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Poses of all movable objects in a flattened state ``[S]``: position and quaternion (w first), ``[7]``."""
        first = {name: int(self._free_joint(name).qposadr[0]) for name in self._env.objects_dict}
        return {name: np.array(state[1 + index : 8 + index]) for name, index in first.items()}

    def state_with(self, state: NDArray[np.float64], poses: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """A flattened state ``[S]`` with some objects at rest in other poses, ``[7]`` each as in `poses_in`."""
        changed = np.array(state)
        for name, pose in poses.items():
            joint = self._free_joint(name)
            position, velocity = 1 + int(joint.qposadr[0]), 1 + self._model.nq + int(joint.dofadr[0])
            changed[position : position + 7], changed[velocity : velocity + 6] = pose, 0.0
        return changed

    def centre_of_mass(self, name: str) -> NDArray[np.float64]:
        """Centre of mass of an object or fixture with all its parts, ``[3]``."""
        return self._data.subtree_com[self._body(name)].copy()

    def speed(self, name: str) -> float:
        """How fast the origin of a movable object moves, metres per second."""
        address = int(self._free_joint(name).dofadr[0])
        return float(np.linalg.norm(self._data.qvel[address : address + 3]))

    def collision_geoms(self, name: str) -> NDArray[np.int64]:
        """Ids of the geoms that an object or fixture collides with, ``[G]``."""
        return self._geoms_below(self._body(name))

    def region(self, name: str) -> Region:
        """A region's place and size."""
        site = _lookup("region", self._env.object_sites_dict, name)
        view = self._data.site(name)
        parent = getattr(site, "parent_name", None)
        return Region(
            pose=Pose(view.xpos.copy(), view.xmat.reshape(3, 3).copy()),
            half_size=np.array(site.size, np.float64),
            parent=parent if parent in self._env.obj_body_id else None,
            is_articulated=bool(site.joints),
        )

    def has_joint(self, name: str) -> bool:
        """Whether a region or fixture opens, closes or can be switched."""
        part = self._env.object_sites_dict.get(name) or self._env.fixtures_dict.get(name)
        return part is not None and bool(part.joints)

    def joint(self, name: str) -> Joint:
        """The joint of an articulated region (drawer) or of a fixture (door, knob).

        Raises:
            ValueError: it has no joint.
        """
        part = _lookup("articulated part", {**self._env.fixtures_dict, **self._env.object_sites_dict}, name)
        if not part.joints:
            raise ValueError(f"{name!r} has no joint: it neither opens nor turns.")
        joint = int(self._model.joint(part.joints[0]).id)
        lowest, highest = self._model.jnt_range[joint]
        return Joint(
            value=float(self._data.qpos[self._model.jnt_qposadr[joint]]),
            limits=(float(lowest), float(highest)),
            axis=self._data.xaxis[joint].copy(),
            anchor=self._data.xanchor[joint].copy(),
            geoms=self._geoms_below(int(self._model.jnt_bodyid[joint])),
        )

    # --- shapes

    def geom_box(self, geom: int) -> GeomBox:
        """A geom's bounding box along its own axes."""
        rotation = self._data.geom_xmat[geom].reshape(3, 3).copy()
        centre = self._data.geom_xpos[geom] + rotation @ self._model.geom_aabb[geom, :3]
        return GeomBox(Pose(centre, rotation), self._model.geom_aabb[geom, 3:].copy())

    def world_box(self, geoms: Iterable[int], yaw: float = 0.0) -> Box:
        """The smallest box around the bounding boxes of some geoms, in axes turned by `yaw` about the vertical."""
        cosine, sine = np.cos(yaw), np.sin(yaw)
        axes = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        corners = self._corners(geoms) @ axes if yaw else self._corners(geoms)
        return Box(corners.min(axis=0), corners.max(axis=0))

    def surface(
        self, x: NDArray[np.float64], y: NDArray[np.float64], hidden_geoms: Sequence[int] | NDArray[np.int64] = ()
    ) -> Surface:
        """The topmost collision surface under points of the plane, seen from above with the robot invisible.

        Args:
            x: ``[N]``.
            y: ``[N]``.
            hidden_geoms: geoms to look through, besides the robot's.

        Returns:
            Heights and geoms, ``[N]`` each.
        """
        seen = self._is_collision.copy()
        seen[self._robot_geoms] = False
        seen[np.asarray(hidden_geoms, np.int64)] = False
        return cast_down(self._model, self._data, np.asarray(x, np.float64), np.asarray(y, np.float64), seen)

    def first_hits(
        self,
        origins: NDArray[np.float64],
        direction: NDArray[np.float64],
        hidden_geoms: Sequence[int] | NDArray[np.int64] = (),
    ) -> Hits:
        """The first collision surfaces on parallel rays, the robot invisible.

        Args:
            origins: where the rays start, ``[N, 3]``.
            direction: unit vector ``[3]``.
            hidden_geoms: geoms to look through, besides the robot's.
        """
        seen = self._is_collision.copy()
        seen[self._robot_geoms] = False
        seen[np.asarray(hidden_geoms, np.int64)] = False
        return cast_along(self._model, self._data, origins, np.asarray(direction, np.float64), seen)

    def underside(self, name: str, spacing: float) -> NDArray[np.float64]:
        """Points of the lower surface of an object or fixture, ``[N, 3]``, on a grid at most `spacing` wide."""
        own = self.collision_geoms(name)
        box = self.world_box(own)
        low, high, count = box.lower + 1e-4, box.upper - 1e-4, np.ceil(box.size / spacing).astype(int) + 1
        x, y = (np.linspace(low[axis], high[axis], count[axis]) for axis in (0, 1))  # the edges are on it
        x, y = (grid.ravel() for grid in np.meshgrid(x, y, indexing="ij"))
        seen = np.zeros(self._model.ngeom, bool)
        seen[own] = True
        met = cast_up(self._model, self._data, x, y, seen)
        return np.column_stack([x, y, met.heights])[met.geoms >= 0]

    def touched_geoms(self, name: str) -> NDArray[np.int64]:
        """Geoms outside the robot and outside the object itself that an object touches, each once."""
        own, robot = set(self.collision_geoms(name).tolist()), set(self._robot_geoms.tolist())
        pairs = [(int(contact.geom1), int(contact.geom2)) for contact in self._data.contact[: self._data.ncon]]
        touched = {b for first, second in pairs for a, b in ((first, second), (second, first)) if a in own}
        return np.array(sorted(touched - own - robot), np.int64)

    def deepest_contacts(self) -> dict[tuple[int, int], float]:
        """How far bodies are in each other, metres: the lower id, the higher id -> the deepest of their contacts.

        A body is a thing, a fixture, the table or the robot, with all its parts.
        """
        roots = self._model.body_rootid[self._model.geom_bodyid]
        depths: dict[tuple[int, int], float] = {}
        for contact in self._data.contact[: self._data.ncon]:
            low, high = sorted((int(roots[contact.geom1]), int(roots[contact.geom2])))
            if low != high:
                depths[low, high] = max(depths.get((low, high), 0.0), -float(contact.dist))
        return depths

    @property
    def robot_body(self) -> int:
        """Id of the robot in `deepest_contacts`."""
        return self._robot_base

    def camera(self, name: str) -> tuple[Pose, float]:
        """Where a camera is (its axes: right, up, backwards), and its angle of view from top to bottom, radians."""
        camera = self._model.camera(name)
        pose = Pose(self._data.cam_xpos[camera.id].copy(), self._data.cam_xmat[camera.id].reshape(3, 3).copy())
        return pose, float(np.deg2rad(self._model.cam_fovy[camera.id]))

    def is_supported(self, name: str) -> bool:
        """Whether an object touches anything but the robot."""
        return self.touched_geoms(name).size > 0

    # --- the task

    @property
    def initial_conditions(self) -> tuple[Predicate, ...]:
        """Where the task's definition puts things at first, such as ``on`` a thing and a region."""
        return tuple(Predicate(words[0], tuple(words[1:])) for words in self._env.parsed_problem["initial_state"])

    @property
    def goal(self) -> tuple[Predicate, ...]:
        """Conditions that must all hold, from the task's definition."""
        return tuple(Predicate(words[0], tuple(words[1:])) for words in self._env.parsed_problem["goal_state"])

    def holds(self, predicate: Predicate) -> bool:
        """Whether one condition holds now, by LIBERO's own evaluation."""
        return bool(self._env._eval_predicate([predicate.name, *predicate.arguments]))

    # --- internals

    def _body(self, name: str) -> int:
        return int(_lookup("object or fixture", self._env.obj_body_id, name))

    def _free_joint(self, name: str) -> Any:
        return self._model.joint(_lookup("object", self._env.objects_dict, name).joints[-1])

    def _geoms_below(self, body: int) -> NDArray[np.int64]:
        bodies = {body}
        for child in range(body + 1, self._model.nbody):  # parents have smaller ids than their children
            if int(self._model.body_parentid[child]) in bodies:
                bodies.add(child)
        return np.flatnonzero(np.isin(self._model.geom_bodyid, list(bodies)) & self._is_collision)

    def _corners(self, geoms: Iterable[int]) -> NDArray[np.float64]:
        boxes = []
        for geom in geoms:
            centre, half_size = self._model.geom_aabb[geom, :3], self._model.geom_aabb[geom, 3:]
            rotation = self._data.geom_xmat[geom].reshape(3, 3)
            boxes.append((centre + _CORNERS * half_size) @ rotation.T + self._data.geom_xpos[geom])
        return np.concatenate(boxes)


def _lookup(kind: str, known: dict[str, Any], name: str) -> Any:
    if name not in known:
        nearest = difflib.get_close_matches(name, list(known), n=len(known), cutoff=0.0)
        raise ValueError(f"{kind} = {name!r} does not exist in this task; it has {', '.join(nearest)}.")
    return known[name]
