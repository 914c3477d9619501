"""Regions under a roof: which side is open, and how much room there is behind the mouth."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.scene import Box, OrientedBox, Rotation, Scene, Vector

SPACING = 0.006  # of the rays that look into a region (metres)
RIM = 0.03  # of the view around the region: what the mouth's frame is measured on (metres)
OUTSIDE = 0.1  # of the region, where the view begins: what is farther out, such as an open door, is not in it (metres)
UPRIGHT = np.array([0.0, 0.0, 1.0])


class Cavity(NamedTuple):
    """Free room with a roof and one open side.

    Attributes:
        frame: its axes as columns, ``[3, 3]``: across the mouth, up, and outwards.
        room: the free box in coordinates of the frame, from the back wall to the plane of the mouth.
    """

    frame: Rotation
    room: Box

    @property
    def across(self) -> Vector:
        """Horizontal direction along the mouth, ``[3]``."""
        return self.frame[:, 0]

    @property
    def inward(self) -> Vector:
        """Horizontal direction through the mouth, ``[3]``."""
        return -self.frame[:, 2]


def find_cavity(scene: Scene, region: str, item: str) -> Cavity | None:
    """The room of a region under a roof, behind the widest of its open sides; `item` is looked through.

    Returns:
        None if the region is open above, so that things can come down into it, or if no side is open.
    """
    place = scene.region(region)
    box = OrientedBox(place.pose, place.half_size)
    if not _is_covered(scene, box.bounds(), item):
        return None
    sides = [sign * place.pose.rotation[:, axis] for axis in range(3) for sign in (1, -1)]
    cavities = [cavity for side in sides if (cavity := _look_in(scene, box, side, item)) is not None]
    return max(cavities, key=lambda cavity: float(np.prod(cavity.room.size[:2])), default=None)


def _is_covered(scene: Scene, region: Box, item: str) -> bool:
    half = region.size[:2] / 4
    surface = scene.height_map(region.centre[:2] - half, region.centre[:2] + half, SPACING, item, hide_target=True)
    return bool((surface.height > region.high[2]).all())


def _look_in(scene: Scene, region: OrientedBox, outward: Vector, item: str) -> Cavity | None:
    if abs(outward[2]) > 0.1:
        return None
    outward = outward - (outward @ UPRIGHT) * UPRIGHT
    outward = outward / np.linalg.norm(outward)
    frame = np.column_stack([np.cross(UPRIGHT, outward), UPRIGHT, outward])
    centre = frame.T @ region.pose.position
    half = np.abs(frame.T @ region.pose.rotation) @ region.half_size
    low, high, start = (centre - half)[:2] - RIM, (centre + half)[:2] + RIM, centre[2] + half[2] + OUTSIDE
    view = scene.view(frame, start, low, high, SPACING, item, hide_target=True)
    is_free = view.height < centre[2]
    column, row = (size // 2 for size in is_free.shape)
    columns, rows = _run_around(is_free[:, row], column), _run_around(is_free[column], row)
    frame_above = view.height[columns, rows.stop : rows.stop + 1]
    if columns.stop == columns.start or not np.isfinite(frame_above).all() or not frame_above.size:
        return None
    x, y, edge = view.x[columns], view.y[rows], (view.x[1] - view.x[0]) / 2
    back = max(float(np.median(view.height[columns, rows])), centre[2] - half[2])
    room = Box(np.array([x[0] - edge, y[0] - edge, back]), np.array([x[-1] + edge, y[-1] + edge, frame_above.max()]))
    return Cavity(frame, room)


def _run_around(is_free: NDArray[np.bool_], start: int) -> slice:
    """The unbroken run of free cells around one of them; empty if that one is not free."""
    first = last = start
    while first > 0 and is_free[first - 1]:
        first -= 1
    while last < len(is_free) and is_free[last]:
        last += 1
    return slice(first if is_free[start] else last, last)
