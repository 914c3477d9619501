"""Where to grasp an object from above, planned on a height map: pure functions of arrays.

A grasp is a point for the grip site and a yaw for a hand that points down. Every target cell of the map is tried with
every yaw: the hand comes down at the cell until the fingertips, the palm or the wanted depth stop it, and what then
lies between the fingers must be the target alone, narrow enough and with parallel faces. The same rule finds the rim
of a bowl, the sides of a box and the neck of a bottle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from eval_bridge.experts.scene import HeightMap, Vector


@dataclass(frozen=True)
class HandShape:
    """A two-finger hand in the frame of its grip site (metres); the defaults are the Panda's.

    Attributes:
        fingertip: how far the fingertips reach below the grip site.
        palm: height of the palm above the grip site.
        inner_half_opening: from the centre to the inner face of an open finger.
        outer_half_opening: from the centre to the outer face of an open finger.
        finger_half_width: half the width of a finger across the opening axis.
        pad_half_width: half the width of the part of a finger that grips.
        palm_half_length: half the length of the palm along the opening axis.
        palm_half_width: half the width of the palm across it.
    """

    fingertip: float = 0.0125
    palm: float = 0.026
    inner_half_opening: float = 0.037
    outer_half_opening: float = 0.062
    finger_half_width: float = 0.013
    pad_half_width: float = 0.009
    palm_half_length: float = 0.106
    palm_half_width: float = 0.032


@dataclass(frozen=True)
class GraspPreferences:
    """What makes one possible grasp better than another: costs in units of a metre.

    Attributes:
        preferred_yaw: the yaw that costs nothing (radians).
        yaw: cost of a radian away from it. Enough that equal grasps get the same yaw.
        off_centre: cost of a metre that the fingers have to shift what they close on.
        off_mass: cost of a metre between the grasp and the centre of mass.
        off_axis: cost of a metre between the centre of mass and the line on which the fingers close. High, since the
            object would turn in the hand, and fingers that stand askew on a rim pinch less of it.
        side: horizontal direction ``[2]`` from the centre of mass in which grasps are preferred.
        off_side: cost of a metre that a grasp lies less far on that side than it could. It decides between the grasps
            of a round rim. High, so that where the preferred one is out of reach the grasp moves along the rim rather
            than to the other side: alike scenes get alike grasps, and a policy that regresses them is not torn.
        shallow: cost of a metre of grasp depth that is missing at `wanted_depth`.
        skew: cost of a metre by which the two gripped faces fail to be parallel.
        tight: cost of a metre by which the hand would have to stay higher if it came down `BESIDE` its place: where a
            finger passes close to something, a policy that is a few millimetres off lands on it.
        crowded: the same for `NEARBY`: where there is room enough, a policy may be a centimetre off.
        reach: cost of a metre between the robot's base and the hand, at the grasp and at the place.
        overreach: further cost of a metre beyond the two longest reaches, where the stretched arm stalls.
        wanted_depth: how deep the object should lie between the fingers (metres).
        longest_reach: how far from its base the robot grasps well with the hand pointing down (metres).
        longest_reach_to_place: how far it puts things down well: there the hand need not stay where it is.
    """

    preferred_yaw: float = 0.0
    yaw: float = 0.15
    off_centre: float = 4.0
    off_mass: float = 0.6
    off_axis: float = 8.0
    side: tuple[float, float] = (0.0, -1.0)
    off_side: float = 3.0
    shallow: float = 6.0
    skew: float = 2.0
    tight: float = 6.0
    crowded: float = 2.0
    reach: float = 0.15
    overreach: float = 10.0
    wanted_depth: float = 0.018
    longest_reach: float = 0.75
    longest_reach_to_place: float = 0.77


class Grasp(NamedTuple):
    """A grasp from above: where the grip site goes ``[3]``, the hand's yaw (radians), and what it costs."""

    position: Vector
    yaw: float
    cost: float


PANDA_HAND = HandShape()
DEEPEST_GRASP = 0.028  # of the grip site below the top of the object (metres)
FINGER_CLEARANCE = 0.003
BESIDE, NEARBY = 0.006, 0.016  # how far a hand may come down beside its place (metres)
PALM_CLEARANCE = 0.006
WIDEST_OBJECT = 0.066
# 180 degrees in all (the hand is symmetric), away from the limit of the last joint.
YAWS = tuple(np.deg2rad(np.arange(-75, 101, 5)).tolist())


def plan_grasp(
    surface: HeightMap,
    centre_of_mass: Vector,
    robot_base: Vector,
    carry: Vector,
    *,
    hand: HandShape,
    preferences: GraspPreferences,
    yaws: Sequence[float] = YAWS,
) -> Grasp | None:
    """Finds the cheapest grasp of the target of a height map.

    Args:
        surface: height map around the target; it must show at least `hand.palm_half_length` around it.
        centre_of_mass: of the target, ``[3]`` or ``[2]``.
        robot_base: position of the robot's base, ``[3]`` or ``[2]``.
        carry: horizontal displacement ``[2]`` on which the target will be carried.
        hand: the hand's measures.
        preferences: the costs.
        yaws: the yaws to try (radians).

    Returns:
        The best grasp, or None if no cell of the target can be grasped.
    """
    cells = _candidate_cells(surface)
    if not len(cells):
        return None
    around = _around(surface, cells, hand)
    offers = [_grasps_at_yaw(surface, cells, around, yaw, hand, preferences) for yaw in yaws]
    positions = np.concatenate([offer.positions for offer in offers])
    costs = np.concatenate([offer.costs for offer in offers])
    turned = np.repeat(np.asarray(yaws, float), [len(offer.costs) for offer in offers])
    if not len(costs):
        return None
    at_grasp = np.linalg.norm(positions[:, :2] - robot_base[:2], axis=1)
    at_place = np.linalg.norm(positions[:, :2] + carry - robot_base[:2], axis=1)
    overreach = np.maximum(at_grasp - preferences.longest_reach, at_place - preferences.longest_reach_to_place)
    from_mass = positions[:, :2] - centre_of_mass[:2]
    across = from_mass[:, 0] * np.cos(turned) + from_mass[:, 1] * np.sin(turned)
    costs = (
        costs
        + preferences.off_mass * np.linalg.norm(from_mass, axis=1)
        + preferences.off_axis * np.abs(across)
        + preferences.off_side * (np.linalg.norm(from_mass, axis=1) - from_mass @ np.asarray(preferences.side))
        + preferences.reach * np.maximum(at_grasp, at_place)
        + preferences.overreach * np.maximum(0.0, overreach)
    )
    best = int(np.argmin(costs))
    return Grasp(positions[best], float(turned[best]), float(costs[best]))


class _Offers(NamedTuple):
    positions: NDArray[np.float64]  # [N, 3]
    costs: NDArray[np.float64]  # [N]


def _candidate_cells(surface: HeightMap) -> NDArray[np.intp]:
    """Row and column ``[N, 2]`` of the target's cells in the upper 60 percent of its visible height."""
    if not surface.is_target.any():
        return np.zeros((0, 2), np.intp)
    heights = surface.height[surface.is_target]
    floor = heights.min() + 0.4 * (heights.max() - heights.min())
    return np.argwhere(surface.is_target & (surface.height >= floor))


class _Around(NamedTuple):
    """The map as far as the hand reaches around each of N cells, in a square of W x W cells."""

    offset: Vector  # [W], metres
    height: NDArray[np.float64]  # [N, W, W]
    is_target: NDArray[np.bool_]  # [N, W, W]


def _around(surface: HeightMap, cells: NDArray[np.intp], hand: HandShape) -> _Around:
    spacing = surface.x[1] - surface.x[0]
    radius = int(np.ceil(np.hypot(hand.palm_half_length, hand.palm_half_width) / spacing))
    shape = (2 * radius + 1, 2 * radius + 1)
    rows, columns = cells.T
    heights = sliding_window_view(np.pad(surface.height, radius, constant_values=-np.inf), shape)
    targets = sliding_window_view(np.pad(surface.is_target, radius), shape)
    return _Around(np.arange(-radius, radius + 1) * spacing, heights[rows, columns], targets[rows, columns])


def _grasps_at_yaw(
    surface: HeightMap,
    cells: NDArray[np.intp],
    around: _Around,
    yaw: float,
    hand: HandShape,
    preferences: GraspPreferences,
) -> _Offers:
    """All possible grasps with one yaw, with the part of their cost that does not depend on the task."""
    dx, dy = np.meshgrid(around.offset, around.offset, indexing="ij")
    axis = np.array([-np.sin(yaw), np.cos(yaw)])  # of opening
    along, across = dx * axis[0] + dy * axis[1], np.abs(dx * axis[1] - dy * axis[0])
    signed_across = dx * axis[1] - dy * axis[0]
    reach_along = np.abs(along)
    between = (reach_along < hand.inner_half_opening) & (across < hand.pad_half_width)

    def below_fingers(room: float) -> NDArray[np.float64]:
        """Highest surface below the fingers of each cell's hand, with `room` (metres) around them."""
        mask = (
            (reach_along >= hand.inner_half_opening - FINGER_CLEARANCE)
            & (reach_along < hand.outer_half_opening + room)
            & (across < hand.finger_half_width + room)
        )
        return around.height[:, mask].max(axis=1)

    palm = (reach_along < hand.palm_half_length) & (across < hand.palm_half_width)

    rows, columns = cells.T
    strip_height, strip_target = around.height[:, between], around.is_target[:, between]
    top = np.where(strip_target, strip_height, -np.inf).max(axis=1)
    height = np.maximum.reduce(
        [
            below_fingers(0.0) + hand.fingertip + FINGER_CLEARANCE,
            around.height[:, palm].max(axis=1) - hand.palm + PALM_CLEARANCE,
            top - DEEPEST_GRASP,
        ]
    )
    depth = top - height
    beside, nearby = (below_fingers(room) + hand.fingertip + FINGER_CLEARANCE for room in (BESIDE, NEARBY))

    material = strip_height > (height - hand.fingertip + 0.002)[:, None]
    inside = along[between]
    low, high = _extent(material, inside)
    # Parallel faces have the same extent in three slices across the pads.
    slice_of = np.digitize(signed_across[between], np.array([-1, 1]) * hand.pad_half_width / 3)
    slices = [_extent(material & (slice_of == k), inside) for k in range(3)]
    lows, highs = np.stack([s[0] for s in slices]), np.stack([s[1] for s in slices])
    possible = (
        (depth + hand.fingertip > 0.006)
        & ~(material & ~strip_target).any(axis=1)
        & (high - low < WIDEST_OBJECT)
        & np.isfinite(lows).all(axis=0)
    )
    low, high, depth, height = low[possible], high[possible], depth[possible], height[possible]
    lows, highs = lows[:, possible], highs[:, possible]
    tight, crowded = (np.clip(higher[possible] - height, 0.0, hand.palm) for higher in (beside, nearby))
    middle = (low + high) / 2
    costs = (
        preferences.off_centre * np.abs(middle)
        + preferences.shallow * np.maximum(0.0, preferences.wanted_depth - depth)
        + preferences.skew * (np.ptp(lows, axis=0) + np.ptp(highs, axis=0))
        + preferences.tight * tight
        + preferences.crowded * crowded
        + preferences.yaw * abs(yaw - preferences.preferred_yaw)
    )
    ground = np.stack([surface.x[rows[possible]], surface.y[columns[possible]]], axis=1) + middle[:, None] * axis
    return _Offers(np.column_stack([ground, height]), costs)


def _extent(mask: NDArray[np.bool_], along: Vector) -> tuple[Vector, Vector]:
    """Lowest and highest coordinate of each row's marked points ``[N, S]``; infinite where a row has none."""
    return np.where(mask, along, np.inf).min(axis=1), np.where(mask, along, -np.inf).max(axis=1)
