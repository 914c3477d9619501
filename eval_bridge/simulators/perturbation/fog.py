"""Frames in fog, by LIBERO-Plus's rules."""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.perturbation.blur import Frame

_SETTINGS = (
    *((0.5, 3.0), (1.0, 2.8), (1.5, 2.5), (2.0, 2.2), (2.5, 2.0)),
    *((3.0, 1.8), (3.5, 1.6), (4.0, 1.5), (4.5, 1.4), (5.0, 1.3)),
)
"""By severity: thickness, and how fast its clouds become finer."""

MAP_SIZE = 256
_ROUGHNESS = 100.0


def fog(frame: Frame, severity: int, generator: np.random.Generator) -> Frame:
    """The frame under clouds that are drawn anew, as bright as before; float64, fractions are cut off.

    Args:
        frame: ``uint8 [H, W, 3]``, `MAP_SIZE` pixels a side at most.
        severity: 1 to 10.
        generator: of the clouds.
    """
    thickness, decay = _SETTINGS[severity - 1]
    image = frame / 255.0
    brightest = image.max()
    clouds = draw_clouds(decay, generator)[: frame.shape[0], : frame.shape[1], None]
    foggy = (image + thickness * clouds) * brightest / (brightest + thickness)
    return (np.clip(foggy, 0, 1) * 255).astype(np.uint8)


def draw_clouds(decay: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """A map of heights between 0 and 1 by the diamond-square algorithm, ``[MAP_SIZE, MAP_SIZE]``, edges joined.

    Each new point is the mean of its four neighbours and a uniform number within the square of the roughness, which
    is divided by `decay` when all points of a grid are there.
    """
    heights = np.zeros((MAP_SIZE, MAP_SIZE))
    step, roughness = MAP_SIZE, _ROUGHNESS
    while step >= 2:
        half = step // 2
        corners, middles = heights[::step, ::step], heights[half::step, half::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        middles[:] = _near_mean(pairs + np.roll(pairs, -1, axis=1), roughness, generator)
        beside = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        heights[::step, half::step] = _near_mean(beside, roughness, generator)
        below = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=0)
        heights[half::step, ::step] = _near_mean(below, roughness, generator)
        step, roughness = half, roughness / decay
    heights -= heights.min()
    clouds: NDArray[np.float64] = heights / heights.max()
    return clouds


def _near_mean(sums: NDArray[np.float64], roughness: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Of four neighbours each, whose `sums` are given."""
    return sums / 4 + roughness * generator.uniform(-roughness, roughness, sums.shape)
