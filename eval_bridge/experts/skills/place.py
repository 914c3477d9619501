"""Placing: carrying a held object, lowering it and letting go."""

from functools import partial
from itertools import pairwise

import numpy as np

from eval_bridge.experts.clearance import highest_within
from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN, hand_down, turn_about_vertical, yaw_of
from eval_bridge.experts.placement_planning import palm_points, resting_height
from eval_bridge.experts.route import STRAIGHT, Route
from eval_bridge.experts.scene import Box, Pose, Scene, Vector
from eval_bridge.experts.skills.hand import (
    CRUISE_CLEARANCE,
    MAP_SPACING,
    UP,
    Actions,
    SkillFailed,
    highest_on_the_way,
    is_held,
    move,
    open_fingers,
    rise,
)
from eval_bridge.experts.skills.travel import Report, find_way, no_report

APPROACH_HEIGHT = 0.07  # above a place, where a vertical motion begins (metres)
DESCENT_SPEED = 0.6
SLOW_FROM = 0.05  # above a landing, where the descent becomes slow (metres)
SWEEPING_TURN = 0.3  # a hand that turns more than this sweeps the whole length of its palm (radians)
PASSING_TOLERANCE = 0.02
VIA_TOLERANCE = 0.035
ALIGNED = 0.006  # at which what is carried is lowered, or let go (metres)
ALIGNING = 15  # steps to spend on it
LANDING_PATIENCE = 4  # near the end of its reach the arm creeps: let go rather than stall
LANDINGS = 3  # attempts to lower an object
CAUGHT = 0.03  # this far above its landing, what touches something is caught on it, or the arm stalled (metres)
EXACT = 0.004
SLIPPED = 0.04  # what moved this far away from the hand is no longer held (metres)
RETREAT = 0.08
LANDING_CLEARANCE = 0.004  # above the computed contact, where the descent ends at the latest (metres)
LANDING_MAP_SPACING = 0.01
UNDERSIDE_SPACING = 0.008


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


def carry(
    scene: Scene,
    item: str,
    goal: Vector,
    yaw: float,
    route: Route = STRAIGHT,
    report: Report = no_report,
) -> Actions:
    """Carries a held object until its origin is above `goal` (``[2]`` or more, metres), and turns the hand to `yaw`.

    The object turns with the hand, and goes by the route asked for.

    Raises:
        SkillFailed: the object was lost on the way; told at once.
    """

    def from_hand() -> float:
        return float(np.linalg.norm(scene.pose(item).position - scene.hand().position))

    held_at = from_hand()

    def is_lost() -> bool:
        return not is_held(scene, item) or from_hand() > held_at + SLIPPED

    hand, rotation = scene.hand(), hand_down(yaw)
    target = goal[:2] + _grip_offset(scene, item, yaw)[:2]
    hanging = hand.position[2] - scene.bounding_box(item).low[2]
    way = find_way(scene, hand.position, target, 0.05, item, route, report)
    release = _release_height(scene, item, goal, yaw)
    cruise = CRUISE_CLEARANCE + max(way.highest + hanging, release)
    if abs(yaw - yaw_of(hand.rotation)) > SWEEPING_TURN:
        stops = [stop for stop in (hand.position, way.via, target) if stop is not None]
        below_palm = max(highest_on_the_way(scene, *leg, PANDA_HAND.palm_half_length, item) for leg in pairwise(stops))
        cruise = max(cruise, below_palm - PANDA_HAND.palm + CRUISE_CLEARANCE)
    cruise += route.rise
    yield from rise(scene, cruise, hand.rotation, GRIPPER_CLOSED, is_lost)
    height = max(cruise, min(scene.hand().position[2], release + APPROACH_HEIGHT))
    if way.via is not None:
        passed = Pose(np.array([*way.via, height]), rotation)
        yield from move(
            scene, passed, GRIPPER_CLOSED, tolerance=VIA_TOLERANCE, rotation_tolerance=np.inf, until=is_lost
        )
    above = Pose(np.array([*target, height]), rotation)
    yield from move(scene, above, GRIPPER_CLOSED, tolerance=0.012, until=is_lost)
    if is_lost():
        raise SkillFailed(f"{item} was lost on the way")


def place(scene: Scene, item: str, goal: Vector, yaw: float, *, is_tight: bool = False) -> Actions:
    """Lowers a held object onto what is below `goal` (``[2]`` or more, metres), lets go and retreats upwards.

    Args:
        scene: the scene.
        item: what is held.
        goal: where its origin goes.
        yaw: of the hand.
        is_tight: whether it has to be aligned exactly before it is lowered.

    If the object gets caught on something on its way down, it is lifted, aligned and lowered again.
    """
    rotation = hand_down(yaw)
    for _ in range(LANDINGS):
        # Where the object hangs is measured again: it tilts and slips a little while it is carried.
        target = goal[:2] + _grip_offset(scene, item, yaw)[:2]
        height = _release_height(scene, item, goal, yaw)
        above = Pose(np.array([*target, scene.hand().position[2]]), rotation)
        align = partial(move, scene, above, GRIPPER_CLOSED)
        if is_tight:
            yield from align(tolerance=EXACT, rotation_tolerance=0.03)
        else:
            yield from align(tolerance=ALIGNED, longest=ALIGNING, patience=LANDING_PATIENCE)
        yield from _lower(scene, item, Pose(np.array([*target, height]), rotation))
        if scene.hand().position[2] < height + CAUGHT:
            break
        if scene.touches_something(item):
            yield from rise(scene, scene.hand().position[2] + RETREAT, rotation, GRIPPER_CLOSED)
    here = Pose(scene.hand().position, rotation)
    yield from open_fingers(scene, here)
    yield from move(scene, Pose(here.position + RETREAT * UP, rotation), GRIPPER_OPEN, tolerance=0.02, longest=20)


def _lower(scene: Scene, item: str, down: Pose) -> Actions:
    """Lowers a held object until it stands or cannot go on."""
    near = Pose(down.position + SLOW_FROM * UP, down.rotation)
    if scene.hand().position[2] > near.position[2]:
        yield from move(
            scene, near, GRIPPER_CLOSED, tolerance=PASSING_TOLERANCE, until=lambda: scene.touches_something(item)
        )

    def has_landed() -> bool:
        return scene.touches_something(item) and bool(scene.hand().position[2] < down.position[2] + 0.02)

    yield from move(
        scene,
        down,
        GRIPPER_CLOSED,
        tolerance=ALIGNED,
        speed=DESCENT_SPEED,
        longest=50,
        patience=LANDING_PATIENCE,
        until=has_landed,
    )


def _grip_offset(scene: Scene, item: str, yaw: float) -> Vector:
    """From the held object's origin to the grip site ``[3]``, once the hand is turned to `yaw`."""
    hand = scene.hand()
    turn = yaw - yaw_of(hand.rotation)
    return turn_about_vertical(turn) @ (hand.position - scene.pose(item).position)


def _release_height(scene: Scene, item: str, goal: Vector, yaw: float) -> float:
    """Height of the grip site at which the held object stands on what is below `goal` and the palm is still free."""
    turn = turn_about_vertical(yaw - yaw_of(scene.hand().rotation))
    feet = (scene.underside(item, UNDERSIDE_SPACING) - scene.pose(item).position) @ turn.T
    offset = _grip_offset(scene, item, yaw)
    palm = palm_points(PANDA_HAND, offset, yaw)
    ground = np.concatenate([feet, palm])[:, :2] + goal[:2]
    low, high = ground.min(axis=0) - MAP_SPACING, ground.max(axis=0) + MAP_SPACING
    surface = scene.height_map(low, high, LANDING_MAP_SPACING, item, hide_target=True)
    landing = resting_height(surface, feet, goal[:2]) + LANDING_CLEARANCE
    return offset[2] + max(landing, resting_height(surface, palm, goal[:2]))
