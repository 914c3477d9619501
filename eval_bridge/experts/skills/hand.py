"""Motions of the hand that all skills are made of."""

from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.clearance import highest_along
from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN, HOLDING_GAIN, action_towards, rotation_error
from eval_bridge.experts.scene import Pose, Rotation, Scene, Vector

Actions = Generator[NDArray[np.float32], None, None]

UP = np.array([0.0, 0.0, 1.0])
CRUISE_CLEARANCE = 0.03  # between what moves and what lies below (metres)
PRESSING_STIFFNESS = 3.0  # how much harder a pressing hand presses when it is lifted while it leads
PATIENCE = 10  # steps without progress after which a motion ends (a stretched arm or a contact stops it)
MAP_SPACING = 0.015
OPEN = 0.07  # of the fingers that hold nothing (metres)
GRIP_MARGIN = 0.02  # of the grip site around what the fingers hold (metres)


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
        speed: largest component of the translation in action units.
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


def rise(
    scene: Scene, height: float, rotation: Rotation, gripper: float, until: Callable[[], bool] | None = None
) -> Actions:
    """Moves the hand straight up to `height` (metres, of the grip site) unless it is there already."""
    position = scene.hand().position
    if position[2] < height - 0.01:
        above = Pose(np.array([*position[:2], height]), rotation)
        yield from move(scene, above, gripper, tolerance=0.025, rotation_tolerance=0.6, until=until)


def lead(scene: Scene, press: Pose, way: Vector, gripper: float, *, ahead: float, speed: float) -> NDArray[np.float32]:
    """The action of a hand that presses on an object and leads it over the table.

    Args:
        scene: the scene.
        press: the hand's rotation, and in its position the height at which it presses.
        way: on which the object is still to go, ``[2]`` (metres).
        gripper: gripper command to keep.
        ahead: how far on that way the hand aims, at most (metres).
        speed: largest component of the translation in action units.
    """
    hand = scene.hand()
    step = way * min(1.0, ahead / float(np.linalg.norm(way)))
    height = press.position[2] - PRESSING_STIFFNESS * (hand.position[2] - press.position[2])
    target = Pose(np.array([*(hand.position[:2] + step), height]), press.rotation)
    return action_towards(hand, target, gripper, speed)


def close_fingers(scene: Scene, at: Pose, longest: int = 20, furthest: float = np.inf) -> Actions:
    """Closes the fingers at a fixed pose until they stop (the gripper's command itself ramps over eight steps).

    Args:
        scene: the scene.
        at: where the hand shall stay.
        longest: most actions to spend.
        furthest: how far from there it may get (metres).

    Raises:
        SkillFailed: the hand got further away; told at once.
    """
    for step in range(longest):
        if (away := float(np.linalg.norm(scene.hand().position - at.position))) > furthest:
            raise SkillFailed(f"the hand was {away:.2f} m away from where it should close")
        before = scene.finger_opening()
        yield action_towards(scene.hand(), at, GRIPPER_CLOSED, gain=HOLDING_GAIN)
        if step > 7 and abs(before - scene.finger_opening()) < 3e-4:
            return


def open_fingers(scene: Scene, at: Pose, steps: int = 6) -> Actions:
    """Opens the fingers at a fixed pose."""
    for _ in range(steps):
        yield action_towards(scene.hand(), at, GRIPPER_OPEN)


def is_held(scene: Scene, item: str) -> bool:
    """Whether the fingers are kept apart and `item` is where the hand is."""
    distance = np.linalg.norm(scene.pose(item).position - scene.hand().position)
    return scene.finger_opening() > 0.001 and bool(distance < 0.2)


def is_gripped(scene: Scene, item: str) -> bool:
    """Whether fingers that are not open are kept apart where `item` is, wherever it stands or hangs."""
    box, hand = scene.bounding_box(item), scene.hand().position
    is_there = (hand > box.low - GRIP_MARGIN).all() and (hand < box.high + GRIP_MARGIN).all()
    return bool(is_there) and scene.finger_opening() < OPEN and is_held(scene, item)


def highest_on_the_way(scene: Scene, start: Vector, end: Vector, half_width: float, item: str | None = None) -> float:
    """Highest surface (metres) below the hand's way from `start` to `end` (``[2]`` or more), `item` left out."""
    low = np.minimum(start[:2], end[:2]) - half_width
    high = np.maximum(start[:2], end[:2]) + half_width
    surface = scene.height_map(low, high, MAP_SPACING, item, hide_target=item is not None)
    return highest_along(surface, start, end, half_width)
