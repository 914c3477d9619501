"""What has to be moved out of the way before a drawer is opened."""

import numpy as np

from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.placement_planning import Placement, palm_points, plan_placement
from eval_bridge.experts.scene import Box, OrientedBox, Pose, Scene

WRIST_ROOM = 0.045  # beside an open drawer, for a hand to come down to what stands there (metres)
SEARCH = 0.2  # how far from where it stands an object may be put aside (metres)
MAP_SPACING = 0.01
BLOCKED = 1.0  # height of what must not be stood on (metres)
UNDERSIDE_SPACING = 0.01


def items_in_the_way(scene: Scene, part: str) -> list[str]:
    """The items that will be put into the drawer `part` and that it would hang over when it is open."""
    if not scene.is_region(part):
        return []
    swept = _swept(scene, part)
    items = [predicate[1] for predicate in scene.goal() if len(predicate) == 3 and predicate[2] == part]
    return [item for item in items if _overlaps(scene.bounding_box(item), swept)]


def opening_direction(scene: Scene, part: str) -> tuple[float, float]:
    """Horizontal unit vector in which the drawer opens: on that side of an item a hand is farthest from it."""
    joint = scene.joint(part)
    x, y = (np.sign(joint.far_end) * joint.axis)[:2]
    return float(x), float(y)


def place_aside(scene: Scene, part: str, item: str, yaw: float | None = None) -> Placement:
    """The nearest free place for `item` that the open drawer `part` does not reach.

    Args:
        scene: the scene.
        part: the drawer's region.
        item: what is put aside.
        yaw: of the hand that holds the item (radians); None before it is grasped.
    """
    swept, origin = _swept(scene, part), scene.pose(item).position
    box = scene.bounding_box(item)
    reach = SEARCH + 2 * PANDA_HAND.palm_half_length
    surface = scene.height_map(origin[:2] - reach, origin[:2] + reach, MAP_SPACING, item, hide_target=True)
    under = (surface.x > swept.low[0])[:, None] & (surface.x < swept.high[0])[:, None]
    under = under & (surface.y > swept.low[1]) & (surface.y < swept.high[1])
    height = np.where(under, np.maximum(surface.height, BLOCKED + box.high[2]), surface.height)
    around = OrientedBox(Pose(origin, np.eye(3)), np.array([SEARCH, SEARCH, 0.0]))
    palm = None if yaw is None else palm_points(PANDA_HAND, scene.hand().position - origin, yaw)
    return plan_placement(
        surface._replace(height=height),
        around,
        origin[:2],
        scene.underside(item, UNDERSIDE_SPACING) - origin,
        scene.centre_of_mass(item) - origin,
        palm,
    )


def _swept(scene: Scene, part: str) -> Box:
    """Where the drawer is or will be, with room for a hand beside it."""
    joint = scene.joint(part)
    boxes = [box.bounds() for box in joint.boxes]
    low, high = np.min([box.low for box in boxes], axis=0), np.max([box.high for box in boxes], axis=0)
    way = (joint.far_end - joint.value) * joint.axis
    return Box(np.minimum(low, low + way) - WRIST_ROOM, np.maximum(high, high + way) + WRIST_ROOM)


def _overlaps(first: Box, second: Box) -> bool:
    return bool(((first.low < second.high) & (second.low < first.high))[:2].all())
