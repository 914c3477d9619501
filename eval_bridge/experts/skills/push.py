"""Pushing: sliding a flat object over the table.

The open fingertips press lightly into the object from above, one before the other, and lead it. It is light: held in
this way it keeps to a straight line, where pushed from behind it would turn away. For another direction the fingers
press anew.
"""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.motion import GRIPPER_OPEN, hand_down
from eval_bridge.experts.path_planning import plan_slide
from eval_bridge.experts.placement_planning import palm_points, resting_height
from eval_bridge.experts.scene import Box, HeightMap, Pose, Scene, Vector
from eval_bridge.experts.skills.hand import (
    CRUISE_CLEARANCE,
    UP,
    Actions,
    SkillFailed,
    highest_on_the_way,
    lead,
    move,
    rise,
)

PRESSES = 5
APPROACH_HEIGHT = 0.035  # above the object (metres)
PRESS = 0.006  # how far the fingertips aim below the surface they touch (metres)
SPEED = 0.8
LEAD = 0.045  # of the point that the object follows, along its way (metres)
ARRIVED = 0.012
SLIPPED = 0.03  # of the hand from where it pressed (metres)
SHIFTS = (0.0, 0.015, -0.015, 0.03, -0.03, 0.045, -0.045)  # of the hand from the middle, along the way (metres)
MAP_SPACING = 0.012
FINE_SPACING = 0.005  # where the fingertips press
SURROUNDINGS = 0.12  # of start and target, within which ways are looked for (metres)
CLEARANCE = 0.006
LONGEST = 80  # actions of a leg
SMALLEST_YAW = np.deg2rad(-60.0)  # of a hand whose fingers are alike: its yaw counts modulo 180 degrees


def push(scene: Scene, item: str, region: str) -> Actions:
    """Slides `item` over the table into `region`, around what stands in the way.

    Raises:
        SkillFailed: it did not arrive, however often the fingers pressed.
    """
    for _ in range(PRESSES):
        way = _plan_way(scene, item, region)
        yield from _lead(scene, item, way[0])
        if scene.is_satisfied(("on", item, region)):
            return
    raise SkillFailed(f"{item} did not arrive in {region}")


def _lead(scene: Scene, item: str, end: Vector) -> Actions:
    """Presses the fingers on the item, leads it in a straight line towards `end` ``[2]`` and lets it go."""
    press = _pressing_hand(scene, item, end)
    hand = scene.hand()
    below = highest_on_the_way(scene, hand.position, press.position, 0.08)
    cruise = max(below + CRUISE_CLEARANCE, press.position[2] + APPROACH_HEIGHT)
    yield from rise(scene, cruise, press.rotation, GRIPPER_OPEN)
    above = np.array([*press.position[:2], max(press.position[2] + APPROACH_HEIGHT, min(cruise, hand.position[2]))])
    yield from move(scene, Pose(above, press.rotation), GRIPPER_OPEN, tolerance=0.015, rotation_tolerance=0.1)
    yield from move(scene, press, GRIPPER_OPEN, tolerance=0.005, speed=SPEED, longest=40)
    grip = scene.hand().position[:2] - scene.pose(item).position[:2]
    for _ in range(LONGEST):
        place = scene.pose(item).position[:2]
        slip = scene.hand().position[:2] - place - grip
        if _distance(scene, item, end) < ARRIVED or np.linalg.norm(slip) > SLIPPED:
            break
        yield lead(scene, press, end - place, GRIPPER_OPEN, ahead=LEAD, speed=SPEED)
    up = Pose(scene.hand().position + APPROACH_HEIGHT * UP, press.rotation)
    yield from move(scene, up, GRIPPER_OPEN, tolerance=0.03, longest=30)


def _distance(scene: Scene, item: str, place: Vector) -> float:
    return float(np.linalg.norm(scene.pose(item).position[:2] - place))


def _plan_way(scene: Scene, item: str, region: str) -> NDArray[np.float64]:
    """The ends of the straight legs on which the item is slid."""
    item_box, target = scene.bounding_box(item), scene.region(region)
    reach = np.abs(target.pose.rotation) @ target.half_size
    start = scene.pose(item).position
    # Well inside the region, so that a little inaccuracy does no harm.
    goal = Box(target.pose.position - 0.6 * reach, target.pose.position + 0.6 * reach)
    low = np.minimum(start, goal.low)[:2] - SURROUNDINGS
    high = np.maximum(start, goal.high)[:2] + SURROUNDINGS
    surface = scene.height_map(low, high, MAP_SPACING, item, hide_target=True)
    radius = float(item_box.size[:2].max()) / 2 + CLEARANCE
    return plan_slide(
        surface, start[:2], goal, scene.robot_base(), radius=radius, ground=float(item_box.low[2]) + 0.01
    )


def _pressing_hand(scene: Scene, item: str, end: Vector) -> Pose:
    """The hand with its open fingertips on the item, one before the other, a little below the item's surface.

    In the item's middle, or as near to it along the way as the palm gets down beside what stands around.
    """
    middle = scene.pose(item).position[:2]
    way = end - middle
    along = way / np.linalg.norm(way)
    yaw = float((np.arctan2(-way[0], way[1]) - SMALLEST_YAW) % np.pi + SMALLEST_YAW)
    reach = PANDA_HAND.palm_half_length + max(SHIFTS) + MAP_SPACING
    surface = scene.height_map(middle - reach, middle + reach, FINE_SPACING, item)
    presses = [_press_at(surface, middle + shift * along, along) for shift in SHIFTS]
    palm = palm_points(PANDA_HAND, np.zeros(3), yaw)
    is_free = [resting_height(surface, palm, press[:2]) <= press[2] for press in presses]
    return Pose(presses[int(np.argmax(is_free))], hand_down(yaw))


def _press_at(surface: HeightMap, place: Vector, along: Vector) -> Vector:
    """The grip site ``[3]`` of open fingertips that press at `place` ``[2]``, apart in the direction `along`."""
    reach = (PANDA_HAND.inner_half_opening + PANDA_HAND.outer_half_opening) / 2
    heights = [
        surface.height[np.argmin(np.abs(surface.x - x)), np.argmin(np.abs(surface.y - y))]
        for x, y in (place - reach * along, place + reach * along)
    ]
    return np.array([*place, float(max(heights)) + PANDA_HAND.fingertip - PRESS])
