"""A way over the table for something flat that is slid, around what stands there: a pure function on a height map."""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.scene import Box, HeightMap, Vector

LONGEST_REACH = 0.76  # how far from its base the robot presses well with the hand pointing down (metres)
OVERREACH = 100.0  # cost of a metre of way for every metre beyond
OBSTRUCTION = 4.0  # cost of a metre through what is in the way, and is pushed aside, in metres of free way
CORNER = 0.03  # cost of a corner: the fingers have to press anew (metres)
SAMPLES = 24  # points of a leg that are looked up


def plan_slide(
    surface: HeightMap,
    start: Vector,
    target: Box,
    robot_base: Vector,
    *,
    radius: float,
    ground: float,
) -> NDArray[np.float64]:
    """Finds the cheapest way of one or two straight legs for a disc.

    Args:
        surface: height map of the surroundings, without the disc.
        start: middle of the disc ``[2]``.
        target: where its middle must come to be, as seen from above; the middle of this box is best.
        robot_base: position of the robot's base, ``[2]`` or more.
        radius: of the disc, with the clearance that it should keep (metres).
        ground: what is higher than this is in the way (metres).

    Returns:
        The ends of the legs ``[1 or 2, 2]``.
    """
    spacing = float(surface.x[1] - surface.x[0])
    x, y = np.meshgrid(surface.x - robot_base[0], surface.y - robot_base[1], indexing="ij")
    toll = 1.0 + np.where(_near(surface.height > ground, radius / spacing), OBSTRUCTION, 0.0)
    toll = toll + OVERREACH * np.maximum(0.0, np.hypot(x, y) - LONGEST_REACH)
    grid = np.stack(np.meshgrid(surface.x, surface.y, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = ((grid >= target.low[:2]) & (grid <= target.high[:2])).all(axis=1)
    ends = np.concatenate([target.centre[None, :2], grid[inside]])
    to_corner = _leg_costs(surface, toll, start[None], grid)[0]
    onwards = _leg_costs(surface, toll, grid, ends)
    off_middle = np.linalg.norm(ends - target.centre[:2], axis=1)
    bent = to_corner[:, None] + CORNER + onwards + off_middle
    straight = _leg_costs(surface, toll, start[None], ends)[0] + off_middle
    if straight.min() <= bent.min():
        return ends[int(np.argmin(straight))][None]
    corner, end = np.unravel_index(int(np.argmin(bent)), bent.shape)
    return np.stack([grid[corner], ends[end]])


def _leg_costs(
    surface: HeightMap, toll: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Length times mean toll of the straight legs from each start ``[S, 2]`` to each end ``[E, 2]``: ``[S, E]``."""
    low, spacing = np.array([surface.x[0], surface.y[0]]), surface.x[1] - surface.x[0]
    highest = np.array(toll.shape) - 1
    total = np.zeros((len(starts), len(ends)))
    for share in np.linspace(0.0, 1.0, SAMPLES):
        at = (1 - share) * starts[:, None] + share * ends[None]
        cells = np.clip(np.rint((at - low) / spacing).astype(int), 0, highest)
        total += toll[cells[..., 0], cells[..., 1]]
    return np.linalg.norm(starts[:, None] - ends[None], axis=-1) * total / SAMPLES


def _near(marked: NDArray[np.bool_], cells: float) -> NDArray[np.bool_]:
    """Cells within a distance of a marked one."""
    reach = int(cells)
    padded = np.pad(marked, reach)
    near = np.zeros_like(marked)
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            if np.hypot(row - reach, column - reach) <= cells:
                near |= padded[row : row + marked.shape[0], column : column + marked.shape[1]]
    return near
