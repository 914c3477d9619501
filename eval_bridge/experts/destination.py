"""Where a carried object goes: what the placement planner needs, read from a scene."""

import numpy as np

from eval_bridge.experts.goal import Carry
from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.placement_planning import Placement, palm_points, plan_placement, spread
from eval_bridge.experts.scene import OrientedBox, Region, Rotation, Scene, Vector

UNDERSIDE_SPACING = 0.01
FINEST_SPACING, COARSEST_SPACING = 0.004, 0.01  # of the height map (metres)
MARGIN = 0.02  # of the height map around what is looked up in it (metres)
OPENING_SPACING = 0.004  # of the line along which a drawer is looked into (metres)
FARTHEST = 0.12  # from a drawer's middle, likewise
RIM = 0.005  # below the upper edge of a drawer, what stands as high is its front or hangs over it (metres)
LEVEL = 0.95  # a region whose normal is less upright than this slopes
SMALLEST_YAW, LARGEST_YAW = np.deg2rad([-75.0, 120.0])  # of the hand, away from the limits of the last joint


def destination_of(scene: Scene, goal: Carry, yaw: float | None = None) -> Placement:
    """Plans where `goal.item` is put down.

    On an object it is the middle. In a level region it is the best free place, with several items spread; the middle
    of a sloping one. In a drawer, which is too narrow to choose, it is where it comes down free.

    Args:
        scene: the scene.
        goal: what is carried where.
        yaw: of the hand that holds the item (radians); None before it is grasped.
    """
    middle = scene.pose(goal.support).position
    if not scene.is_region(goal.support):
        return Placement(middle, 0.0, 0.0, is_tight=False)
    region = scene.region(goal.support)
    if region.is_articulated:
        return Placement(_into_drawer(scene, goal, region), 0.0, 0.0, is_tight=True)
    if abs(region.pose.rotation[2, 2]) < LEVEL:
        return Placement(middle, 0.0, 0.0, is_tight=False)
    origin = scene.pose(goal.item).position
    underside = scene.underside(goal.item, UNDERSIDE_SPACING) - origin
    palm = None if yaw is None else palm_points(PANDA_HAND, scene.hand().position - origin, yaw)
    turns = _turns(scene, goal, yaw)
    box = OrientedBox(region.pose, region.half_size)
    everything = underside if palm is None else np.concatenate([underside, palm])
    reach = np.hypot(everything[:, 0], everything[:, 1]).max() + MARGIN
    bounds = box.bounds()
    spacing = float(np.clip(bounds.size[:2].min() / 12, FINEST_SPACING, COARSEST_SPACING))
    low, high = bounds.low[:2] - reach, bounds.high[:2] + reach
    surface = scene.height_map(low, high, spacing, goal.item, hide_target=True)
    return plan_placement(
        surface,
        box,
        spread(box, scene.bounding_box(goal.item).size, goal.slot, goal.slots),
        underside,
        scene.centre_of_mass(goal.item) - origin,
        palm,
        turns=turns,
        inside=goal.predicate[0].lower() == "in",
    )


def _into_drawer(scene: Scene, goal: Carry, region: Region) -> Vector:
    """Where an item comes down into a drawer, ``[3]``: between the drawer's middle and that of what is open above.

    Nearer to the drawer's middle it would be caught by what hangs over the back, such as the handle of the next
    drawer, and nearer to the front by the front's edge.
    """
    middle, slide = region.pose.position, scene.joint(goal.support).axis
    along = np.arange(-FARTHEST, FARTHEST + OPENING_SPACING / 2, OPENING_SPACING)
    line = middle[:2] + along[:, None] * slide[:2] / np.linalg.norm(slide[:2])
    surface = scene.height_map(line.min(axis=0), line.max(axis=0), OPENING_SPACING, goal.item, hide_target=True)
    at = (np.abs(ticks[:, None] - line[:, axis]).argmin(axis=0) for axis, ticks in enumerate((surface.x, surface.y)))
    edge = OrientedBox(region.pose, region.half_size).bounds().high[2]
    covered = np.flatnonzero(surface.height[tuple(at)] > edge - RIM)
    centre = len(along) // 2
    before, behind = covered[covered < centre], covered[covered > centre]
    if centre in covered or not len(before) or not len(behind):
        return middle
    opening = line[[before[-1], behind[0]]].mean(axis=0)
    return np.array([*(middle[:2] + opening) / 2, middle[2]])


def _turns(scene: Scene, goal: Carry, yaw: float | None) -> list[float]:
    """None at all, and those that bring the item's sides in line with the region's, if the hand can turn so far."""
    region_yaw = _yaw_of_sides(scene.region(goal.support).pose.rotation)
    to_line = region_yaw - _yaw_of_sides(scene.pose(goal.item).rotation)
    nearest = (to_line + np.pi / 4) % (np.pi / 2) - np.pi / 4
    turns = [0.0, nearest, nearest - np.pi / 2, nearest + np.pi / 2]
    return [turn for turn in turns if yaw is None or SMALLEST_YAW < yaw + turn < LARGEST_YAW] or [0.0]


def _yaw_of_sides(rotation: Rotation) -> float:
    """Direction (radians) in which the most horizontal of a box's axes points."""
    axis = rotation[:, int(np.argmin(np.abs(rotation[2])))]
    return float(np.arctan2(axis[1], axis[0]))
