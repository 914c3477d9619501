"""Opening a drawer by its handle and pushing it shut."""

from typing import NamedTuple

import numpy as np

from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN, action_towards, hand_along
from eval_bridge.experts.scene import Pose, Rotation, Scene, Vector
from eval_bridge.experts.skills.hand import (
    CRUISE_CLEARANCE,
    UP,
    Actions,
    SkillFailed,
    close_fingers,
    highest_on_the_way,
    move,
    open_fingers,
    rise,
)
from eval_bridge.experts.skills.posture import stand_by

AHEAD = 0.09  # of the handle: where the straight approach begins (metres)
LEAD = 0.05  # of the hand's target before the handle while it pulls or pushes (metres)
LEANS = tuple(np.deg2rad((0.0, 8.0, 15.0, 22.0)).tolist())  # of a pulling hand from the horizontal
PALM_CLEARANCE = 0.002
LONGEST_STROKE = 80  # actions
ALIGNED = 0.012  # off the line of the handle: only fingers within push it (metres)
PUSHING_LEAN = np.deg2rad(30.0)  # of a pushing hand from the vertical: an upright wrist would hit the furniture's top
REST = 4  # actions that a closed drawer is pressed on, so that it stays closed
THINNEST_HANDLE = 0.004  # finger opening below which nothing is between the fingers (metres)


class _Handle(NamedTuple):
    centre: Vector  # [3]
    outward: Vector  # [3], horizontal unit vector in which the drawer opens


def open_drawer(scene: Scene, part: str) -> Actions:
    """Pulls the drawer whose region is `part` open by its handle, lets go and leaves its front.

    The hand lies: its fingers point at the front and close from above and below the handle. It leans down only as far
    as its lower end needs to pass over what stands before the drawer.

    Raises:
        SkillFailed: the handle was not gripped, or the drawer is not open afterwards.
    """
    handle = _find_handle(scene, part)
    rotation = _lying(scene, handle)
    ahead = handle.centre - AHEAD * rotation[:, 2]
    below = highest_on_the_way(scene, scene.hand().position, ahead, PANDA_HAND.palm_half_width)
    yield from rise(scene, below + PANDA_HAND.palm_half_length + CRUISE_CLEARANCE, scene.hand().rotation, GRIPPER_OPEN)
    yield from move(scene, Pose(ahead, rotation), GRIPPER_OPEN, tolerance=0.02, rotation_tolerance=0.15)
    grip = Pose(_find_handle(scene, part).centre, rotation)
    yield from move(scene, grip, GRIPPER_OPEN, tolerance=0.008, speed=0.8)
    yield from close_fingers(scene, grip)
    if scene.finger_opening() < THINNEST_HANDLE:
        yield from _leave(scene, handle.outward)
        raise SkillFailed(f"{part}: the handle was not gripped")
    for _ in range(LONGEST_STROKE):
        if scene.is_satisfied(("open", part)) or scene.finger_opening() < THINNEST_HANDLE:
            break
        target = Pose(_find_handle(scene, part).centre + LEAD * handle.outward, rotation)
        yield action_towards(scene.hand(), target, GRIPPER_CLOSED)
    yield from _leave(scene, handle.outward)
    if not scene.is_satisfied(("open", part)):
        raise SkillFailed(f"{part} is not open after pulling")
    yield from stand_by(scene, GRIPPER_OPEN)


def close_drawer(scene: Scene, part: str) -> Actions:
    """Pushes the drawer whose region is `part` shut with closed fingers and leaves its front.

    Raises:
        SkillFailed: the drawer is not closed afterwards.
    """
    handle = _find_handle(scene, part)
    approach = -np.sin(PUSHING_LEAN) * handle.outward - np.cos(PUSHING_LEAN) * UP
    rotation = hand_along(approach, np.cross(UP, handle.outward))
    ahead = handle.centre + 0.8 * AHEAD * handle.outward
    cruise = highest_on_the_way(scene, scene.hand().position, ahead, 0.08) + CRUISE_CLEARANCE + 0.02
    yield from rise(scene, cruise, scene.hand().rotation, GRIPPER_CLOSED)
    over = Pose(np.array([*ahead[:2], max(ahead[2], scene.hand().position[2])]), rotation)
    yield from move(scene, over, GRIPPER_CLOSED, tolerance=0.03, rotation_tolerance=0.2)
    yield from move(scene, Pose(ahead, rotation), GRIPPER_CLOSED, tolerance=0.015)
    pressed = 0
    for _ in range(LONGEST_STROKE):
        pressed = pressed + 1 if scene.is_satisfied(("close", part)) else 0
        if pressed > REST:
            break
        centre = _find_handle(scene, part).centre
        before = scene.hand().position - centre
        off_line = before - (before @ handle.outward) * handle.outward
        distance = -LEAD if np.linalg.norm(off_line) < ALIGNED else LEAD / 2  # or the fingers slide behind the handle
        yield action_towards(scene.hand(), Pose(centre + distance * handle.outward, rotation), GRIPPER_CLOSED)
    is_closed = scene.is_satisfied(("close", part))
    # Upwards first: fingertips that slid behind the handle would pull it open again.
    above = scene.hand().position + 0.06 * UP
    yield from move(scene, Pose(above, rotation), GRIPPER_CLOSED, tolerance=0.02, longest=20)
    yield from move(scene, Pose(above + 0.06 * handle.outward, rotation), GRIPPER_CLOSED, tolerance=0.02, longest=20)
    if not is_closed:
        raise SkillFailed(f"{part} is not closed after pushing")


def _lying(scene: Scene, handle: _Handle) -> Rotation:
    """The flattest orientation in which the palm passes over everything on its way to the handle."""
    near, far = handle.centre + PANDA_HAND.palm * handle.outward, handle.centre + 2 * AHEAD * handle.outward
    surface = highest_on_the_way(scene, near, far, PANDA_HAND.palm_half_width)
    for lean in LEANS:
        rotation = hand_along(-np.cos(lean) * handle.outward - np.sin(lean) * UP, UP)
        lowest = handle.centre[2] + PANDA_HAND.palm * np.sin(lean) - PANDA_HAND.palm_half_length * np.cos(lean)
        if lowest > surface + PALM_CLEARANCE:
            break
    return rotation


def _leave(scene: Scene, outward: Vector) -> Actions:
    here = scene.hand()
    yield from open_fingers(scene, here)
    yield from move(
        scene, Pose(here.position + 0.05 * outward, here.rotation), GRIPPER_OPEN, tolerance=0.02, longest=30
    )


def _find_handle(scene: Scene, part: str) -> _Handle:
    """The part of the drawer that sticks out farthest along its slide; outward is where more of it sticks out."""
    joint, middle = scene.joint(part), scene.region(part).pose.position
    reach = np.array([(box.pose.position - middle) @ joint.axis for box in joint.boxes])
    outermost = int(np.argmax(np.abs(reach)))
    return _Handle(joint.boxes[outermost].pose.position, np.sign(reach[outermost]) * joint.axis)
