"""Putting an object into a cavity from the side: under a roof no hand comes down.

The hand leans: it grips the object from behind, as seen on the way in, and reaches through the mouth while palm, wrist
and forearm stay outside. The grasp is planned by the planner for grasps from above, in a frame that leans like the
hand. What does not get deep enough before the palm is at the mouth is let go there and pushed on with closed fingers.
"""

from typing import NamedTuple

import numpy as np

from eval_bridge.experts.cavity import Cavity
from eval_bridge.experts.grasp_planning import PANDA_HAND, GraspPreferences, plan_grasp
from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN, action_towards, hand_along, hand_down
from eval_bridge.experts.scene import Pose, Rotation, Scene, Vector
from eval_bridge.experts.skills.hand import (
    CRUISE_CLEARANCE,
    PATIENCE,
    UP,
    Actions,
    SkillFailed,
    close_fingers,
    highest_on_the_way,
    is_held,
    move,
    open_fingers,
    rise,
)

LEANS = tuple(np.deg2rad((45.0, 30.0, 15.0)).tolist())  # of the fingers below the horizontal
PUSHING_LEAN = np.deg2rad(30.0)
STANDING = 0.02  # of the centre of mass behind the mouth, for what is let go to stand (metres)
# Costs of reach and side are for an upright hand; and the mouth leaves little choice of how a mug is held.
PREFERENCES = GraspPreferences(reach=0.0, overreach=0.0, off_side=0.0, off_axis=1.0)
YAWS = tuple(np.deg2rad((-15.0, 0.0, 15.0)).tolist())
MAP_SPACING = 0.004
VIEW_DEPTH = 0.4  # of the object, from where the leaning hand comes (metres)
APPROACH = 0.1  # before a grasp, along the fingers (metres)
SLOW = 0.6
LIFT_HEIGHT = 0.05
FLOOR_CLEARANCE = 0.015  # of the object while it slides in
MARGIN = 0.012  # between the object and the cavity's ends, and between hand and roof
BEFORE_MOUTH = 0.03
RETREAT = 0.12
FINGERTIP = 0.02  # below the grip site of a leaning hand
PALM_CLEARANCE = 0.004
PUSH_DISTANCE = 0.05  # behind the object, where a push begins
PUSH_LEAD = 0.03  # of the hand's target before the object's rear end
SLIDE_LEAD = 0.04  # of the item's target before the item while it slides in
ALIGNED = 0.008  # off the axis of the cavity: what slides in is kept within that
REACHED = 0.01
CLOSED = 0.012  # opening of fingers that may push
LONGEST_PUSH = 50  # actions
HAND_LENGTH = 0.13  # from the palm back to the wrist, which is as thick as the hand


class LeaningGrasp(NamedTuple):
    """A grasp from the side.

    Attributes:
        position: where the grip site goes, ``[3]``.
        rotation: the hand's orientation, ``[3, 3]``.
        short: how far before its final place the object has to be let go (metres), for the palm to stay outside.
    """

    position: Vector
    rotation: Rotation
    short: float


def insert(scene: Scene, item: str, cavity: Cavity) -> Actions:
    """Picks `item` up from the side and puts it into `cavity`.

    Raises:
        SkillFailed: no grasp from the side exists, or the item was lost, or does not stand inside afterwards.
    """
    grasp = plan_leaning_grasp(scene, item, cavity)
    yield from _grip(scene, item, grasp)
    yield from _bring_before_mouth(scene, item, cavity, grasp)
    yield from _slide_in(scene, item, cavity, grasp)
    yield from _back_out(scene, cavity, GRIPPER_OPEN)
    if not _is_inside(scene, item, cavity):
        yield from _push_in(scene, item, cavity)
        yield from _back_out(scene, cavity, GRIPPER_CLOSED)
    if not _is_inside(scene, item, cavity):
        raise SkillFailed(f"{item} does not stand inside")


def plan_leaning_grasp(scene: Scene, item: str, cavity: Cavity) -> LeaningGrasp:
    """The steepest grasp with which the object gets so far in that it stands.

    Steep, because then wrist and forearm are high above what else stands around.

    Raises:
        SkillFailed: there is none.
    """
    mass = (scene.centre_of_mass(item) - scene.pose(item).position) @ cavity.frame
    in_place = _destination(scene, item, cavity)[2] + mass[2]
    for lean in LEANS:
        grasp = _plan_at_lean(scene, item, cavity, lean)
        if grasp is not None and in_place + grasp.short < cavity.room.high[2] - STANDING:
            return grasp
    raise SkillFailed(f"{item} cannot be gripped so that it gets through the mouth")


def _plan_at_lean(scene: Scene, item: str, cavity: Cavity, lean: float) -> LeaningGrasp | None:
    forward = np.cos(lean) * cavity.inward - np.sin(lean) * UP
    opening = hand_along(forward, cavity.across)[:, 0]
    frame = np.column_stack([np.cross(opening, -forward), opening, -forward])
    box = scene.bounding_box(item)
    corners = np.array([[x, y, z] for x, y, z in np.ndindex(2, 2, 2)]) * box.size + box.low
    seen = corners @ frame
    margin = np.hypot(PANDA_HAND.palm_half_length, PANDA_HAND.palm_half_width)
    low, high = seen.min(axis=0), seen.max(axis=0)
    surface = scene.view(frame, high[2] + VIEW_DEPTH, low[:2] - margin, high[:2] + margin, MAP_SPACING, item)
    found = plan_grasp(
        surface,
        frame.T @ scene.centre_of_mass(item),
        frame.T @ scene.robot_base(),
        np.zeros(2),
        hand=PANDA_HAND,
        preferences=PREFERENCES,
        yaws=YAWS,
    )
    if found is None:
        return None
    position, rotation = frame @ found.position, frame @ hand_down(found.yaw)
    return LeaningGrasp(position, rotation, _stops_short(scene, item, cavity, position, rotation))


def _stops_short(scene: Scene, item: str, cavity: Cavity, position: Vector, rotation: Rotation) -> float:
    """How far the palm would get beyond the mouth where it does not fit in (metres), with the item at its place."""
    site = cavity.frame.T @ (position - scene.pose(item).position) + _destination(scene, item, cavity)
    opening, partner, forward = (cavity.frame.T @ rotation).T
    hand = np.array(
        [
            site
            + along * PANDA_HAND.palm_half_length * opening
            + across * PANDA_HAND.palm_half_width * partner
            - back * forward
            for along in (-1, 1)
            for across in (-1, 1)
            for back in np.linspace(PANDA_HAND.palm, HAND_LENGTH, 9)
        ]
    )
    low, high = cavity.room.low[:2] + MARGIN, cavity.room.high[:2] - MARGIN
    fits = ((hand[:, :2] > low) & (hand[:, :2] < high)).all(axis=1)
    return float(np.max(cavity.room.high[2] + PALM_CLEARANCE - hand[~fits, 2], initial=0.0))


def _destination(scene: Scene, item: str, cavity: Cavity, short: float = 0.0) -> Vector:
    """Where the item's origin belongs, in the cavity's frame ``[3]``: in its middle, or `short` before it."""
    box, origin = scene.bounding_box(item), scene.pose(item).position
    corners = (np.array([[x, y, z] for x, y, z in np.ndindex(2, 2, 2)]) * box.size + box.low - origin) @ cavity.frame
    low, high = corners.min(axis=0), corners.max(axis=0)
    deepest = cavity.room.low[2] + MARGIN - low[2]
    shallowest = cavity.room.high[2] - MARGIN - high[2]
    across = cavity.room.centre[0] - (low[0] + high[0]) / 2
    return np.array([across, cavity.room.low[1] - low[1], max(deepest, (deepest + shallowest) / 2) + short])


def _grip(scene: Scene, item: str, grasp: LeaningGrasp) -> Actions:
    before = grasp.position - APPROACH * grasp.rotation[:, 2]
    cruise = highest_on_the_way(scene, scene.hand().position, before, 0.08) + CRUISE_CLEARANCE + FINGERTIP
    yield from rise(scene, cruise, scene.hand().rotation, GRIPPER_OPEN)
    over = Pose(np.array([*before[:2], max(cruise, before[2])]), grasp.rotation)
    yield from move(scene, over, GRIPPER_OPEN, tolerance=0.03, rotation_tolerance=0.2)
    yield from move(scene, Pose(before, grasp.rotation), GRIPPER_OPEN, tolerance=0.02, rotation_tolerance=0.1)
    there = Pose(grasp.position, grasp.rotation)
    yield from move(scene, there, GRIPPER_OPEN, tolerance=0.005, speed=SLOW)
    yield from close_fingers(scene, there)
    height = scene.pose(item).position[2]
    lifted = Pose(grasp.position + LIFT_HEIGHT * UP, grasp.rotation)
    yield from move(scene, lifted, GRIPPER_CLOSED, tolerance=0.02, longest=25)
    if scene.pose(item).position[2] < height + 0.015 or not is_held(scene, item):
        yield from move(scene, Pose(before, grasp.rotation), GRIPPER_OPEN, tolerance=0.03, longest=25)
        raise SkillFailed(f"{item} was not lifted")


def _bring_before_mouth(scene: Scene, item: str, cavity: Cavity, grasp: LeaningGrasp) -> Actions:
    hand, origin = scene.hand().position, scene.pose(item).position
    goal = _destination(scene, item, cavity)
    box = scene.bounding_box(item)
    front = float(np.abs(box.size / 2 @ np.abs(cavity.inward)) + (box.centre - origin) @ cavity.inward)
    goal[2] = cavity.room.high[2] + front + BEFORE_MOUTH
    goal[1] += FLOOR_CLEARANCE
    target = hand + cavity.frame @ goal - origin
    hanging = hand[2] - box.low[2]
    highest = highest_on_the_way(scene, origin, origin + (target - hand), 0.05, item)
    yield from rise(scene, max(highest + hanging + CRUISE_CLEARANCE, target[2]), grasp.rotation, GRIPPER_CLOSED)
    over = Pose(np.array([*target[:2], max(target[2], scene.hand().position[2])]), grasp.rotation)
    yield from move(scene, over, GRIPPER_CLOSED, tolerance=0.02)
    yield from _move_item(scene, item, cavity.frame @ goal, grasp.rotation)
    if not is_held(scene, item):
        raise SkillFailed(f"{item} was lost on the way")


def _slide_in(scene: Scene, item: str, cavity: Cavity, grasp: LeaningGrasp) -> Actions:
    goal = cavity.frame @ _destination(scene, item, cavity, grasp.short)
    above = goal + FLOOR_CLEARANCE * UP
    closest, without_progress = np.inf, 0
    while without_progress < PATIENCE:
        left = (above - scene.pose(item).position) @ cavity.frame
        if np.linalg.norm(left) < REACHED or not is_held(scene, item):
            break
        off_axis = float(np.linalg.norm(left[:2]))
        closest, without_progress = min(closest, -left[2]), 0 if -left[2] < closest - 0.001 else without_progress + 1
        # Back on the axis first: what was pushed off its way would meet the frame of the mouth.
        left[2] = np.clip(left[2], -SLIDE_LEAD, SLIDE_LEAD) if off_axis < ALIGNED else 0.0
        target = Pose(scene.hand().position + cavity.frame @ left, grasp.rotation)
        yield action_towards(scene.hand(), target, GRIPPER_CLOSED, SLOW)
    target = Pose(scene.hand().position + goal - scene.pose(item).position, grasp.rotation)
    yield from move(
        scene, target, GRIPPER_CLOSED, tolerance=0.006, speed=SLOW, longest=25, patience=4,
        until=lambda: scene.touches_something(item),
    )  # fmt: skip
    yield from open_fingers(scene, Pose(scene.hand().position, grasp.rotation))


def _push_in(scene: Scene, item: str, cavity: Cavity) -> Actions:
    """Pushes an item that stands at the mouth on to its place, with closed fingers at the height of the hand."""
    forward = np.cos(PUSHING_LEAN) * cavity.inward - np.sin(PUSHING_LEAN) * UP
    rotation = hand_along(forward, cavity.across)
    line = np.array([*scene.centre_of_mass(item)[:2], scene.hand().position[2]])
    line -= (line @ cavity.inward) * cavity.inward

    def at(inwards: float) -> Pose:
        return Pose(line + inwards * cavity.inward, rotation)

    yield from move(scene, at(_rear(scene, item, cavity) - PUSH_DISTANCE), GRIPPER_CLOSED, tolerance=0.01)
    for _ in range(LONGEST_PUSH):
        if _rear(scene, item, cavity) > MARGIN - cavity.room.high[2]:
            return
        is_closed = scene.finger_opening() < CLOSED
        ahead = PUSH_LEAD if is_closed else -PUSH_DISTANCE
        yield action_towards(scene.hand(), at(_rear(scene, item, cavity) + ahead), GRIPPER_CLOSED, SLOW)


def _back_out(scene: Scene, cavity: Cavity, gripper: float) -> Actions:
    here = scene.hand()
    away = Pose(here.position - RETREAT * cavity.inward, here.rotation)
    yield from move(scene, away, gripper, tolerance=0.03, longest=25)


def _rear(scene: Scene, item: str, cavity: Cavity) -> float:
    """How far in the item's rear end is: its coordinate (metres) along the way in."""
    box = scene.bounding_box(item)
    return float(box.centre @ cavity.inward - box.size / 2 @ np.abs(cavity.inward))


def _is_inside(scene: Scene, item: str, cavity: Cavity) -> bool:
    return _rear(scene, item, cavity) > -cavity.room.high[2] and bool(
        (cavity.frame.T @ scene.pose(item).position)[1] < cavity.room.high[1]
    )


def _move_item(scene: Scene, item: str, goal: Vector, rotation: Rotation) -> Actions:
    """Moves the hand so that the held item's origin comes to `goal` ``[3]``."""
    target = Pose(scene.hand().position + goal - scene.pose(item).position, rotation)
    yield from move(scene, target, GRIPPER_CLOSED, tolerance=0.01, speed=SLOW)
