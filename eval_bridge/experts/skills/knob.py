"""Turning a knob by pinching its ridge."""

import numpy as np

from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN, action_towards, hand_along, hand_down
from eval_bridge.experts.scene import Joint, Pose, Scene, Vector
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

APPROACH_HEIGHT = 0.08
GRIP_DEPTH = 0.018  # of the grip site below the top of the ridge (metres)
LEAD = 0.4  # of the hand's target before the knob (radians)
BEYOND = 0.35  # of where it is on: who stops a little earlier than is shown has still turned it on (radians)
LONGEST_TURN = 60  # actions


def turn_on(scene: Scene, part: str) -> Actions:
    """Turns the knob of the fixture `part` away from 0 until it is on, and somewhat farther.

    Raises:
        SkillFailed: it is not on afterwards.
    """
    yield from _turn(scene, part, ("turnon", part), scene.joint(part).far_end, BEYOND)


def turn_off(scene: Scene, part: str) -> Actions:
    """Turns the knob of the fixture `part` towards 0 until it is off.

    Raises:
        SkillFailed: it is not off afterwards.
    """
    yield from _turn(scene, part, ("turnoff", part), -scene.joint(part).far_end)


def _turn(scene: Scene, part: str, wanted: tuple[str, ...], direction: float, beyond: float = 0.0) -> Actions:
    joint = scene.joint(part)
    sense = float(np.sign(direction * joint.axis[2]))  # counter-clockwise seen from above
    grip, opening = _ridge(joint)
    rotation = hand_along(-UP, opening)
    cruise = highest_on_the_way(scene, scene.hand().position, grip, 0.08) + CRUISE_CLEARANCE + 0.02
    yield from rise(scene, cruise, scene.hand().rotation, GRIPPER_OPEN)
    above = Pose(grip + APPROACH_HEIGHT * UP, rotation)
    yield from move(scene, above, GRIPPER_OPEN, tolerance=0.02, rotation_tolerance=0.1)
    yield from move(scene, Pose(grip, rotation), GRIPPER_OPEN, tolerance=0.006, speed=0.6, longest=50)
    yield from close_fingers(scene, Pose(grip, rotation))
    gripped_at = scene.joint(part).value
    enough = float(np.inf)
    for _ in range(LONGEST_TURN):
        value = scene.joint(part).value
        if np.isinf(enough) and scene.is_satisfied(wanted):
            enough = abs(value - gripped_at) + beyond
        if abs(value - gripped_at) >= enough:
            break
        turned = (value - gripped_at) * joint.axis[2]
        target = Pose(grip, _about_vertical(turned + sense * LEAD) @ rotation)
        yield action_towards(scene.hand(), target, GRIPPER_CLOSED)
    here = Pose(grip, scene.hand().rotation)
    yield from open_fingers(scene, here)
    yield from move(scene, Pose(grip + APPROACH_HEIGHT * UP, here.rotation), GRIPPER_OPEN, tolerance=0.02)
    if not scene.is_satisfied(wanted):
        raise SkillFailed(f"{part} was not turned: the fingers slipped")


def _ridge(joint: Joint) -> tuple[Vector, Vector]:
    """Where to pinch the highest part of a knob: the grip site's place ``[3]`` and the opening axis ``[3]``."""
    highest = max(joint.boxes, key=lambda box: box.bounds().high[2])
    upright = int(np.argmax(np.abs(highest.pose.rotation[2])))
    thinner = min((axis for axis in range(3) if axis != upright), key=lambda axis: highest.half_size[axis])
    place = np.array([*joint.anchor[:2], highest.bounds().high[2] - GRIP_DEPTH])
    return place, highest.pose.rotation[:, thinner]


def _about_vertical(angle: float) -> np.ndarray:
    return hand_down(angle) @ hand_down(0.0).T
