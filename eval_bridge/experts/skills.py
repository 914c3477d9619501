"""Skills of the scripted expert: generators of actions that look at the scene anew before every action.

The caller executes each action before it asks for the next. A skill knows where it wants the hand, never how the
simulator works; what it cannot do it reports by `SkillFailed`, so that the task level can plan again.
"""

from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.clearance import highest_along, highest_under_palm, highest_within
from eval_bridge.experts.grasp_planning import PANDA_HAND, Grasp
from eval_bridge.experts.motion import (
    GRIPPER_CLOSED,
    GRIPPER_OPEN,
    action_towards,
    hand_down,
    rotation_error,
)
from eval_bridge.experts.scene import Box, Pose, Scene, Vector

Actions = Generator[NDArray[np.float32], None, None]

UP = np.array([0.0, 0.0, 1.0])

APPROACH_HEIGHT = 0.07  # above a grasp or a place, where a vertical motion begins (metres)
CRUISE_CLEARANCE = 0.03  # between what moves and what lies below (metres)
DESCENT_SPEED = 0.6
LIFT_HEIGHT = 0.07
PASSING_TOLERANCE = 0.02  # at points that are passed, not reached: the motion stays fluent
PATIENCE = 10  # steps without progress after which a motion ends (a stretched arm or a contact stops it)
LANDING_TOLERANCE = 0.015  # near the end of its reach the arm creeps: let go rather than stall (metres)
LANDING_PATIENCE = 4
MAP_SPACING = 0.015


class SkillFailed(Exception):
    """A skill did not bring about what it is for; planning again may help."""


def move(
    scene: Scene,
    target: Pose,
    gripper: float,
    *,
    tolerance: float,
    rotation_tolerance: float = 0.06,
    speed: float = 1.0,
    longest: int = 80,
    patience: int = PATIENCE,
    until: Callable[[], bool] | None = None,
) -> Actions:
    """Moves the hand in a straight line.

    Args:
        scene: the scene.
        target: the pose to reach.
        gripper: gripper command to keep.
        tolerance: distance at which the target counts as reached (metres).
        rotation_tolerance: angle at which it does (radians).
        speed: largest length of the translation in action units.
        longest: most actions to spend.
        patience: steps without progress after which the motion ends.
        until: ends the motion early when it returns True.
    """
    closest, without_progress = np.inf, 0
    for _ in range(longest):
        hand = scene.hand()
        distance = float(np.linalg.norm(target.position - hand.position))
        angle = float(np.linalg.norm(rotation_error(hand, target.rotation)))
        if (distance < tolerance and angle < rotation_tolerance) or (until is not None and until()):
            return
        left = distance + 0.1 * angle
        if left < closest - 0.001:
            closest, without_progress = left, 0
        else:
            without_progress += 1
        if without_progress > patience:
            return
        yield action_towards(hand, target, gripper, speed)


def close_fingers(scene: Scene, at: Pose, longest: int = 20) -> Actions:
    """Closes the fingers at a fixed pose until they stop (the gripper's command itself ramps over eight steps)."""
    for step in range(longest):
        before = scene.finger_opening()
        yield action_towards(scene.hand(), at, GRIPPER_CLOSED)
        if step > 7 and abs(before - scene.finger_opening()) < 3e-4:
            return


def open_fingers(scene: Scene, at: Pose, steps: int = 6) -> Actions:
    """Opens the fingers at a fixed pose."""
    for _ in range(steps):
        yield action_towards(scene.hand(), at, GRIPPER_OPEN)


def approach(scene: Scene, item: str, grasp: Grasp) -> Actions:
    """Brings the open hand above a grasp, over everything in between."""
    rotation = hand_down(grasp.yaw)
    hand = scene.hand()
    in_the_way = _highest_on_the_way(scene, item, hand.position, grasp.position, half_width=0.08)
    cruise = max(in_the_way + CRUISE_CLEARANCE, grasp.position[2] + APPROACH_HEIGHT)
    yield from _rise(scene, cruise, rotation, GRIPPER_OPEN)
    height = max(grasp.position[2] + APPROACH_HEIGHT, min(cruise, scene.hand().position[2]))
    above = Pose(np.array([*grasp.position[:2], height]), rotation)
    yield from move(scene, above, GRIPPER_OPEN, tolerance=PASSING_TOLERANCE, rotation_tolerance=0.15)


def descend_and_close(scene: Scene, grasp: Grasp) -> Actions:
    """Lowers the open hand to a grasp and closes it there."""
    rotation = hand_down(grasp.yaw)
    near = Pose(grasp.position + 0.04 * UP, rotation)
    yield from move(scene, near, GRIPPER_OPEN, tolerance=0.012)
    target = Pose(grasp.position, rotation)
    yield from move(scene, target, GRIPPER_OPEN, tolerance=0.005, speed=DESCENT_SPEED, longest=40)
    yield from close_fingers(scene, target)


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


def back_off(scene: Scene, item: str, yaw: float) -> Actions:
    """Moves a held object towards the robot until nothing hangs over it or the hand (an open drawer's cabinet)."""
    hand = scene.hand()
    box = scene.bounding_box(item)
    footprint = Box(np.minimum(box.low, hand.position - 0.04), np.maximum(box.high, hand.position + 0.04))
    surface = scene.height_map(
        footprint.low[:2] - [0.25, 0.0], footprint.high[:2], MAP_SPACING, item, hide_target=True
    )
    for distance in np.arange(0.0, 0.25, 0.02):
        shift = np.array([distance, 0.0, 0.0])
        if highest_within(surface, Box(footprint.low - shift, footprint.high - shift)) < hand.position[2]:
            break
    if distance > 0:
        free = Pose(hand.position - shift - [0.01, 0.0, 0.0], hand_down(yaw))
        yield from move(scene, free, GRIPPER_CLOSED, tolerance=0.015)


def carry(scene: Scene, item: str, goal: Vector, yaw: float) -> Actions:
    """Carries a held object, the hand kept at `yaw` (radians), until its origin is above `goal` (``[2]``, metres).

    Raises:
        SkillFailed: the object was lost on the way.
    """
    hand, rotation = scene.hand(), hand_down(yaw)
    target = hand.position[:2] + goal - scene.pose(item).position[:2]
    hanging = hand.position[2] - scene.bounding_box(item).low[2]
    in_the_way = _highest_on_the_way(scene, item, hand.position, target, half_width=0.05)
    release = _release_height(scene, item, goal, yaw)
    cruise = max(in_the_way + hanging + CRUISE_CLEARANCE, release + CRUISE_CLEARANCE)
    yield from _rise(scene, cruise, rotation, GRIPPER_CLOSED)
    height = max(cruise, min(scene.hand().position[2], release + APPROACH_HEIGHT))
    above = Pose(np.array([*target, height]), rotation)
    yield from move(scene, above, GRIPPER_CLOSED, tolerance=0.012)
    if not is_held(scene, item):
        raise SkillFailed(f"{item} was lost on the way")


def place(scene: Scene, item: str, goal: Vector, yaw: float) -> Actions:
    """Lowers a held object onto what is below `goal` (``[2]``, metres), lets go and retreats upwards."""
    hand, rotation = scene.hand(), hand_down(yaw)
    # Where the object hangs is measured again: it tilts and slips a little while it is carried.
    target = hand.position[:2] + goal - scene.pose(item).position[:2]
    height = _release_height(scene, item, goal, yaw)

    def has_landed() -> bool:
        return scene.touches_something(item) and scene.hand().position[2] < height + 0.02

    down = Pose(np.array([*target, height]), rotation)
    yield from move(
        scene,
        down,
        GRIPPER_CLOSED,
        tolerance=LANDING_TOLERANCE,
        speed=DESCENT_SPEED,
        longest=50,
        patience=LANDING_PATIENCE,
        until=has_landed,
    )
    here = Pose(scene.hand().position, rotation)
    yield from open_fingers(scene, here)
    yield from move(scene, Pose(here.position + 0.08 * UP, rotation), GRIPPER_OPEN, tolerance=0.02, longest=20)


def is_held(scene: Scene, item: str) -> bool:
    """Whether the fingers are kept apart and `item` is where the hand is."""
    distance = np.linalg.norm(scene.pose(item).position - scene.hand().position)
    return scene.finger_opening() > 0.001 and bool(distance < 0.2)


def _rise(scene: Scene, height: float, rotation: np.ndarray, gripper: float) -> Actions:
    position = scene.hand().position
    if position[2] < height - 0.01:
        above = Pose(np.array([*position[:2], height]), rotation)
        yield from move(scene, above, gripper, tolerance=0.025, rotation_tolerance=0.6)


def _highest_on_the_way(scene: Scene, item: str, start: Vector, end: Vector, half_width: float) -> float:
    low = np.minimum(start[:2], end[:2]) - half_width
    high = np.maximum(start[:2], end[:2]) + half_width
    surface = scene.height_map(low, high, MAP_SPACING, item, hide_target=True)
    return highest_along(surface, start, end, half_width)


def _release_height(scene: Scene, item: str, goal: Vector, yaw: float) -> float:
    """Height of the grip site at which the held object stands on what is below `goal` and the palm is still free."""
    hand, box, origin = scene.hand().position, scene.bounding_box(item), scene.pose(item).position
    shift = goal - origin[:2]
    reach = PANDA_HAND.palm_half_length + 0.01
    middle = hand[:2] + shift
    foot_middle, foot_half = (box.low + box.high)[:2] / 2 + shift, 0.3 * (box.high - box.low)[:2]
    low = np.minimum(middle - reach, foot_middle - foot_half)
    high = np.maximum(middle + reach, foot_middle + foot_half)
    surface = scene.height_map(low, high, MAP_SPACING, item, hide_target=True)
    support = highest_within(surface, Box(foot_middle - foot_half, foot_middle + foot_half))
    below_palm = highest_under_palm(surface, middle, yaw, PANDA_HAND.palm_half_length, PANDA_HAND.palm_half_width)
    return max(support + hand[2] - box.low[2] + 0.004, below_palm - PANDA_HAND.palm + 0.012)
