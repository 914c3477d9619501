"""Picking: from above a planned grasp to a lifted object."""

from functools import partial

import numpy as np

from eval_bridge.experts.grasp_planning import Grasp
from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN, hand_down
from eval_bridge.experts.route import STRAIGHT, Route
from eval_bridge.experts.scene import Pose, Scene
from eval_bridge.experts.skills.hand import (
    CRUISE_CLEARANCE,
    UP,
    Actions,
    SkillFailed,
    close_fingers,
    is_held,
    move,
    rise,
)
from eval_bridge.experts.skills.travel import Report, find_way, no_report

APPROACH_HEIGHT = 0.05  # above a grasp, where the last way down begins (metres)
NEAR = 0.04  # above a grasp, from where on the hand moves vertically (metres)
# Metres from the robot's base; beyond, the elbow has to move fast and overshoots: the hand needs a second to return.
FAR = 0.64
FAR_SPEED = 0.5
DESCENT_SPEED = 0.6
PULLED_AWAY = 0.03  # from a grasp: what closes there closes on nothing
LIFT_HEIGHT = 0.07
VIA_TOLERANCE = 0.035  # at the middle of a way around: with more the hand would hardly leave the straight way
PASSING_TOLERANCE = 0.02  # at points that are passed, not reached: the motion stays fluent


def approach(scene: Scene, item: str, grasp: Grasp, route: Route = STRAIGHT, report: Report = no_report) -> Actions:
    """Brings the open hand to where it goes down to a grasp, over everything in between, by the route asked for."""
    rotation = hand_down(grasp.yaw)
    hand = scene.hand()
    way = find_way(scene, hand.position, grasp.position, 0.08, item, route, report)
    cruise = max(way.highest + CRUISE_CLEARANCE, grasp.position[2] + APPROACH_HEIGHT) + route.rise
    yield from rise(scene, cruise, rotation, GRIPPER_OPEN)
    height = max(grasp.position[2] + APPROACH_HEIGHT, min(cruise, scene.hand().position[2]))
    if way.via is not None:
        passed = Pose(np.array([*way.via, (height + max(cruise, hand.position[2])) / 2]), rotation)
        yield from move(scene, passed, GRIPPER_OPEN, tolerance=VIA_TOLERANCE, rotation_tolerance=np.inf)
    above = Pose(np.array([*grasp.position[:2], height]), rotation)
    arrive = partial(move, scene, above, GRIPPER_OPEN, tolerance=PASSING_TOLERANCE, rotation_tolerance=0.15)
    yield from arrive(until=partial(_is_far, scene))
    yield from arrive(speed=FAR_SPEED)


def _is_far(scene: Scene) -> bool:
    return float(np.linalg.norm((scene.hand().position - scene.robot_base())[:2])) > FAR


def descend_and_close(scene: Scene, grasp: Grasp) -> Actions:
    """Lowers the open hand to a grasp and closes it there.

    Raises:
        SkillFailed: the hand was pulled away as it closed; told at once.
    """
    rotation = hand_down(grasp.yaw)
    near = Pose(grasp.position + NEAR * UP, rotation)
    yield from move(scene, near, GRIPPER_OPEN, tolerance=0.012, speed=FAR_SPEED if _is_far(scene) else 1.0)
    target = Pose(grasp.position, rotation)
    yield from move(scene, target, GRIPPER_OPEN, tolerance=0.005, speed=DESCENT_SPEED, longest=40)
    yield from close_fingers(scene, target, furthest=PULLED_AWAY)


def lift(scene: Scene, item: str, grasp: Grasp) -> Actions:
    """Lifts what the hand holds.

    Raises:
        SkillFailed: `item` did not come along; the hand opens and is above the grasp again.
    """
    rotation = hand_down(grasp.yaw)
    height = scene.pose(item).position[2]
    target = Pose(grasp.position + LIFT_HEIGHT * UP, rotation)
    yield from move(scene, target, GRIPPER_CLOSED, tolerance=PASSING_TOLERANCE, longest=25)
    if scene.pose(item).position[2] < height + 0.015 or not is_held(scene, item):
        retreat = Pose(grasp.position + 0.12 * UP, rotation)
        yield from move(scene, retreat, GRIPPER_OPEN, tolerance=CRUISE_CLEARANCE, longest=25)
        raise SkillFailed(f"{item} was not lifted")
