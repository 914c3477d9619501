"""Noise on frames, by LIBERO-Plus's numbers.

1 to 10 are motion blur of rising severity, 11 to 20 Gaussian blur, 21 to 30 zoom blur, 31 to 40 fog, 41 to 50 glass
blur. It lies on the third-person frame as it was rendered, 256 pixels a side and upside-down; that of the hand stays
clear. What is random in it LIBERO-Plus draws anew for every frame, without a seed of its own.
"""

import numpy as np

from eval_bridge.simulators.perturbation.blur import Frame, gaussian_blur, motion_blur, zoom_blur
from eval_bridge.simulators.perturbation.cases import NOISE_SEVERITIES
from eval_bridge.simulators.perturbation.fog import fog
from eval_bridge.simulators.perturbation.glass import glass_blur

COUNT = 50


def add_noise(frame: Frame, number: int, generator: np.random.Generator) -> Frame:
    """The frame with noise of that number.

    Args:
        frame: ``uint8 [256, 256, 3]``.
        number: 1 to `COUNT`.
        generator: of what is random in it.

    Raises:
        ValueError: there is no such number.
    """
    if not 1 <= number <= COUNT:
        raise ValueError(f"noise {number} does not exist; LIBERO-Plus numbers it from 1 to {COUNT}")
    kind, severity = (number - 1) // NOISE_SEVERITIES, (number - 1) % NOISE_SEVERITIES + 1
    match kind:
        case 0:
            return motion_blur(frame, severity, generator)
        case 1:
            return gaussian_blur(frame, severity)
        case 2:
            return zoom_blur(frame, severity)
        case 3:
            return fog(frame, severity, generator)
        case _:
            return glass_blur(frame, severity, generator)
