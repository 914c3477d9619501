"""Whether things lie still and upright where a layout put them: physics after the settle steps."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.scene_geometry import Predicate
from eval_bridge.simulators.libero.scene_queries import SceneQueries

_SHIFT = 0.012  # farthest that a thing may slide or sink as it settles (metres)
_TILT = 0.12  # farthest that it may tip (radians)
_SPEED = 0.03  # at which it still moves (metres per second)
_DEPTH = 0.003  # that things may be in each other (metres)
_DEEPER = 0.001  # or so much more than in their own start, which now and then has them in each other
_LOOKED_AT = ((0.0, 0.0), (-0.3, 0.0), (0.3, 0.0), (0.0, -0.3), (0.0, 0.3))  # shares of an object's box
_ENOUGH = 3  # of these points that must be seen


class Settled(NamedTuple):
    """How a scene has settled.

    Attributes:
        positions: of the movable things, ``[3]`` each. rotations: ``[3, 3]``. speeds: metres per second.
        holds: of each condition of the goal. contacts: bodies that touch and how deep they are in each other.
        seen: things of the goal that the camera which looks on sees, the robot left out.
    """

    positions: dict[str, NDArray[np.float64]]
    rotations: dict[str, NDArray[np.float64]]
    speeds: dict[str, float]
    holds: tuple[bool, ...]
    contacts: dict[tuple[int, int], float]
    seen: frozenset[str]


def settled(simulator: LiberoSimulator) -> Settled:
    """How the scene of a simulator has settled that was just begun."""
    queries = simulator.queries
    poses = {name: queries.pose(name) for name in queries.object_names}
    return Settled(
        positions={name: pose.position for name, pose in poses.items()},
        rotations={name: pose.rotation for name, pose in poses.items()},
        speeds={name: queries.speed(name) for name in poses},
        holds=tuple(queries.holds(Predicate(words[0], words[1:])) for words in simulator.goal.predicates),
        contacts=queries.deepest_contacts(),
        seen=frozenset(name for name in simulator.goal.items if _is_seen(queries, name)),
    )


def fault_of_settled(
    queries: SceneQueries, now: Settled, own: Settled, intended: dict[str, NDArray[np.float64]]
) -> str | None:
    """Why a settled layout is none, in a few words; None if it is one.

    Args:
        queries: of the scene.
        now: how it has settled.
        own: how the same start settles without a layout: what falls over or touches there may do so here.
        intended: where the layout has things that are there, and what it left alone: position and quaternion ``[7]``.
    """
    if any(holds and not held for holds, held in zip(now.holds, own.holds, strict=True)):
        return "the goal holds at the start"
    if own.seen - now.seen:
        return "hidden behind something"
    if any(queries.robot_body in pair and pair not in own.contacts for pair in now.contacts):
        return "touches the robot"
    if any(depth > max(_DEPTH, own.contacts.get(pair, 0.0) + _DEEPER) for pair, depth in now.contacts.items()):
        return "things in each other"
    for name, pose in intended.items():
        upright = _lies(now, name, pose[:3], rotation_of(pose[3:]))
        if not upright and not _lies(now, name, own.positions[name], own.rotations[name]):
            return "does not lie where it was put"
        if now.speeds[name] > max(_SPEED, own.speeds[name]):
            return "does not lie still"
    return None


def rotation_of(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation matrix ``[3, 3]`` of a unit quaternion, w first."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _is_seen(queries: SceneQueries, name: str) -> bool:
    """Whether most of an object is in the camera's sight: of its middle and four points of its box, three."""
    camera, _ = queries.camera("agentview")
    own = queries.collision_geoms(name)
    box = queries.world_box(own)
    count = 0
    for across, along in _LOOKED_AT:
        point = box.centre + np.array([across, along, 0.0]) * box.size
        way = point - camera.position
        distance = float(np.linalg.norm(way))
        met = queries.first_hits(camera.position[None], way / distance)
        count += bool(met.geoms[0] in own or met.distances[0] > distance)
    return count >= _ENOUGH


def _lies(now: Settled, name: str, position: NDArray[np.float64], rotation: NDArray[np.float64]) -> bool:
    tilt = np.arccos(np.clip((now.rotations[name] @ rotation.T)[2, 2], -1.0, 1.0))
    return bool(np.linalg.norm(now.positions[name] - position) < _SHIFT and tilt < _TILT)
