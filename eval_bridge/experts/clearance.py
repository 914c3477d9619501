"""How high things are where the hand or a carried object wants to pass: pure functions on a height map."""

import numpy as np

from eval_bridge.experts.scene import Box, HeightMap, Vector


def highest_along(surface: HeightMap, start: Vector, end: Vector, half_width: float) -> float:
    """Highest surface (metres) within `half_width` of the straight line from `start` to `end` (``[2]`` or more)."""
    x, y = np.meshgrid(surface.x, surface.y, indexing="ij")
    way = np.asarray(end[:2] - start[:2], float)
    length_squared = float(way @ way)
    along = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length_squared if length_squared > 0 else 0.0 * x
    along = np.clip(along, 0.0, 1.0)
    distance = np.hypot(x - start[0] - along * way[0], y - start[1] - along * way[1])
    return _highest(surface, distance <= half_width)


def highest_within(surface: HeightMap, box: Box) -> float:
    """Highest surface (metres) within the horizontal extent of `box`."""
    x, y = np.meshgrid(surface.x, surface.y, indexing="ij")
    inside = (x >= box.low[0]) & (x <= box.high[0]) & (y >= box.low[1]) & (y <= box.high[1])
    return _highest(surface, inside)


def _highest(surface: HeightMap, mask: np.ndarray) -> float:
    return float(np.max(surface.height, where=mask, initial=-np.inf))
