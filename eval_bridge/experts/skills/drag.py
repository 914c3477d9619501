"""Dragging: a hollow object over the table, by the closed fingertips inside it.

Its wall comes to rest against the fingers, which press on its floor so that it does not tip over them. Nothing is
gripped, lifted or let go, which takes half the time of carrying.
"""

import numpy as np

from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.motion import GRIPPER_CLOSED, hand_down, yaw_of
from eval_bridge.experts.scene import Pose, Scene, Vector
from eval_bridge.experts.skills.hand import (
    CRUISE_CLEARANCE,
    Actions,
    SkillFailed,
    highest_on_the_way,
    lead,
    move,
    rise,
)

FINGERS_RADIUS = PANDA_HAND.outer_half_opening - PANDA_HAND.inner_half_opening + 0.005  # of both, closed (metres)
DEPTH = 0.02  # of the hollow, at least (metres)
PRESS = 0.01  # how far the fingertips aim below the floor that they touch (metres)
SPEED = 1.0
LEAD = 0.05  # of the point that the object follows, along its way (metres)
ARRIVED = 0.02
MISSED = 0.03  # beyond it the object was not dragged where it should be (metres)
LONGEST = 40  # actions
MAP_SPACING = 0.005


def find_floor(scene: Scene, item: str) -> float | None:
    """Height (metres) of the floor inside an object that closed fingers get into from above; None if they do not."""
    box = scene.bounding_box(item)
    middle = box.centre[:2]
    surface = scene.height_map(middle - FINGERS_RADIUS, middle + FINGERS_RADIUS, MAP_SPACING, item)
    floor = float(surface.height.max())
    return floor if floor < box.high[2] - DEPTH else None


def drag(scene: Scene, item: str, floor: float, place: Vector) -> Actions:
    """Drags `item` over the table.

    Args:
        scene: the scene.
        item: what is dragged.
        floor: height of the floor inside it, see `find_floor` (metres).
        place: where its origin goes (``[2]`` or more, metres).

    Raises:
        SkillFailed: it did not get there.
    """
    hand, middle = scene.hand(), scene.bounding_box(item).centre[:2]
    rotation = hand_down(yaw_of(hand.rotation))
    press = Pose(np.array([*middle, floor - PRESS + PANDA_HAND.fingertip]), rotation)
    below = highest_on_the_way(scene, hand.position, press.position, PANDA_HAND.palm_half_width)
    cruise = below + PANDA_HAND.fingertip + CRUISE_CLEARANCE
    yield from rise(scene, cruise, rotation, GRIPPER_CLOSED)
    above = np.array([*middle, cruise])  # nothing on the way is higher: there in a straight line
    yield from move(scene, Pose(above, rotation), GRIPPER_CLOSED, tolerance=0.02, rotation_tolerance=0.15)
    yield from move(scene, press, GRIPPER_CLOSED, tolerance=0.01, longest=40)
    for _ in range(LONGEST):
        left = place[:2] - scene.pose(item).position[:2]
        if np.linalg.norm(left) < ARRIVED:
            break
        yield lead(scene, press, left, GRIPPER_CLOSED, ahead=LEAD, speed=SPEED)
    up = Pose(np.array([*scene.hand().position[:2], cruise]), rotation)
    yield from move(scene, up, GRIPPER_CLOSED, tolerance=0.02, longest=20)
    missed = float(np.linalg.norm(place[:2] - scene.pose(item).position[:2]))
    if missed > MISSED:
        raise SkillFailed(f"{item} was dragged to {missed:.2f} m beside its place")
