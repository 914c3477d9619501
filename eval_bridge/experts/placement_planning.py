"""Where in a region to put an object down, planned on a height map: pure functions of arrays.

An object is a cloud of points of its lower surface. Lowered over a place it stops where the first of these points
meets the surface, which is exact for any shape: a bowl in a drawer, a book between two walls, a can beside a can. The
hand's palm above it stops in the same way. Every place of the region is tried with every turn of the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from eval_bridge.experts.grasp_planning import HandShape
from eval_bridge.experts.scene import Box, HeightMap, OrientedBox, Vector


@dataclass(frozen=True)
class PlacementPreferences:
    """What makes one place better than another: costs in units of a metre.

    Attributes:
        height: cost of a metre that the object stands higher than at the lowest place.
        lean: cost of a metre between the object's centre of mass and the middle of what carries it: it would tip.
        tight: cost of a metre that the object would stand higher if it came down beside the place, by each of
            `tolerances`.
        tolerances: errors with which objects are put down, small and large (metres).
        drop: cost of a metre that the object falls because the palm is stopped before it.
        distance: cost of a metre from where it is wished.
        turn: cost of turning the object by a radian.
        outside: cost of standing above or below the region.
    """

    height: float = 2.0
    lean: float = 1.0
    tight: float = 0.2
    tolerances: tuple[float, float] = (0.005, 0.012)
    drop: float = 2.0
    distance: float = 0.5
    turn: float = 0.02
    outside: float = 1.0


class Placement(NamedTuple):
    """A place.

    Attributes:
        position: where the object's origin is when it stands there, ``[3]``.
        turn: how far the object is turned (radians).
        cost: what it costs.
        is_tight: whether the object would hit something if it came down a little beside the place.
    """

    position: Vector
    turn: float
    cost: float
    is_tight: bool


RELEASE_CLEARANCE = 0.012  # between the palm and what is below it when the fingers open (metres)
CONTACT = 0.006  # what is closer to the surface than this carries the object (metres)
BENEATH = 0.02  # the origin of something that stands in a region may be a little below it (metres)
STEP = 0.02  # in what is below, over which an object would trip (metres)


def plan_placement(
    surface: HeightMap,
    region: OrientedBox,
    wish: Vector,
    underside: NDArray[np.float64],
    centre_of_mass: Vector,
    palm: NDArray[np.float64] | None = None,
    *,
    turns: Sequence[float] = (0.0,),
    inside: bool = False,
    preferences: PlacementPreferences | None = None,
) -> Placement:
    """Finds the cheapest place in a region.

    Args:
        surface: height map around the region, without the object.
        region: where the object's origin must come to be, as seen from above.
        wish: preferred place ``[2]``.
        underside: points of the object's lower surface, relative to its origin, ``[N, 3]``.
        centre_of_mass: relative to its origin, ``[3]`` or ``[2]``.
        palm: points of the hand relative to the object's origin, ``[P, 3]``, see `palm_points`; None if nothing
            holds it yet.
        turns: turns of the object to try (radians).
        inside: whether the origin must also be within the region's height.
        preferences: the costs.

    Returns:
        The best place; there is always one, but it may be a bad one (see its cost).
    """
    preferences = preferences or PlacementPreferences()
    bounds = region.bounds()
    places = _candidates(bounds, wish, float(surface.x[1] - surface.x[0]))
    cautious = [_dilated(surface, tolerance) for tolerance in preferences.tolerances]
    offers = []
    for turn in turns:
        feet, mass = _turned(underside, turn), _turned(np.atleast_2d(centre_of_mass), turn)[0]
        rest, gaps = _lowered(surface, feet, places)
        carrying = gaps < CONTACT
        middle = carrying @ feet[:, :2] / carrying.sum(axis=1, keepdims=True)
        higher = [_lowered(dilated, feet, places)[0] - rest for dilated in cautious]
        stopped = rest if palm is None else np.maximum(rest, _lowered(surface, _turned(palm, turn), places)[0])
        costs = (
            preferences.height * rest
            + preferences.lean * np.linalg.norm(middle - mass[:2], axis=1)
            + preferences.tight * sum(higher)
            + preferences.drop * (stopped - rest)
            + preferences.distance * np.linalg.norm(places - wish, axis=1)
            + preferences.turn * abs(turn)
        )
        if inside:
            costs = costs + preferences.outside * ((rest < bounds.low[2] - BENEATH) | (rest > bounds.high[2]))
        best = int(np.argmin(costs))
        is_tight = bool(higher[-1][best] > STEP)
        offers.append(Placement(np.array([*places[best], rest[best]]), float(turn), float(costs[best]), is_tight))
    return min(offers, key=lambda offer: offer.cost)


def resting_height(surface: HeightMap, underside: NDArray[np.float64], place: Vector) -> float:
    """Height of an object's origin (metres) when it is lowered over `place` ``[2]`` until it touches `surface`.

    Args:
        surface: height map around the place, without the object.
        underside: points relative to the object's origin, ``[N, 3]``.
        place: where its origin is.
    """
    return float(_lowered(surface, underside, np.atleast_2d(place))[0][0])


def palm_points(hand: HandShape, grip_site: Vector, yaw: float) -> NDArray[np.float64]:
    """Points ``[P, 3]`` of the palm of a hand that points down, lowered by the clearance that it should keep.

    Args:
        hand: its measures.
        grip_site: where it is ``[3]``, relative to whatever the points should be relative to.
        yaw: its yaw (radians).
    """
    along = np.linspace(-hand.palm_half_length, hand.palm_half_length, 19)
    across = np.linspace(-hand.palm_half_width, hand.palm_half_width, 7)
    along, across = (grid.ravel() for grid in np.meshgrid(along, across))
    x = -np.sin(yaw) * along + np.cos(yaw) * across
    y = np.cos(yaw) * along + np.sin(yaw) * across
    return np.column_stack([x, y, np.full(len(x), hand.palm - RELEASE_CLEARANCE)]) + grip_site


def spread(region: OrientedBox, size: Vector, slot: int, slots: int) -> Vector:
    """The wished place ``[2]`` of one of several objects of about the same `size` ``[3]`` that share a region.

    They stand side by side along the axis in which they are narrower.
    """
    bounds = region.bounds()
    wish = bounds.centre[:2].copy()
    axis = 0 if size[0] < size[1] + 0.01 else 1
    spacing = min(size[axis] + 0.015, bounds.size[axis] / slots)
    wish[axis] += (slot - (slots - 1) / 2) * spacing
    return wish


def _candidates(bounds: Box, wish: Vector, spacing: float) -> NDArray[np.float64]:
    """Places ``[M, 2]`` inside the bounds, the wished one first."""
    half = bounds.size[:2] / 2
    half = half - np.minimum(0.015, 0.4 * half)
    ticks = [
        centre + np.arange(-int(reach / spacing), int(reach / spacing) + 1) * spacing
        for centre, reach in zip(bounds.centre[:2], half, strict=True)
    ]
    grid = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([np.clip(wish, bounds.centre[:2] - half, bounds.centre[:2] + half)[None], grid])


def _turned(points: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(turn), np.sin(turn)
    turned = points.copy()
    turned[:, 0] = cosine * points[:, 0] - sine * points[:, 1]
    turned[:, 1] = sine * points[:, 0] + cosine * points[:, 1]
    return turned


def _lowered(
    surface: HeightMap, points: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origin heights ``[M]`` at first contact over each place, and the gaps ``[M, N]`` left below each point."""
    spacing = surface.x[1] - surface.x[0]
    at = places[:, None] + points[None, :, :2]
    row = np.clip(np.rint((at[..., 0] - surface.x[0]) / spacing).astype(int), 0, len(surface.x) - 1)
    column = np.clip(np.rint((at[..., 1] - surface.y[0]) / spacing).astype(int), 0, len(surface.y) - 1)
    stops = surface.height[row, column] - points[:, 2]
    rest = stops.max(axis=1)
    return rest, rest[:, None] - stops


def _dilated(surface: HeightMap, radius: float) -> HeightMap:
    """Every height becomes the highest within `radius`."""
    cells = round(radius / float(surface.x[1] - surface.x[0]))
    padded = np.pad(surface.height, cells, mode="edge")
    window = 2 * cells + 1
    return surface._replace(height=sliding_window_view(padded, (window, window)).max(axis=(2, 3)))
