"""Another colour for a texture that keeps its structure: hues turned, brightened or darkened, mixed with a paint."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LUMINANCE = np.array([0.213, 0.715, 0.072])
_SINE = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
"""Of the matrix by which hues are turned (W3C, Filter Effects Module Level 1, feColorMatrix of the type hueRotate)."""


@dataclass(frozen=True)
class Recolouring:
    """A map of sRGB colours in 0 to 1; without arguments none.

    Attributes:
        hue: angle by which hues are turned (degrees).
        gain: factor of all channels.
        paint: colour that is mixed in, three channels. share: how much of it.
    """

    hue: float = 0.0
    gain: float = 1.0
    paint: tuple[float, float, float] = (0.0, 0.0, 0.0)
    share: float = 0.0

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The linear part of the map, ``[3, 3]``."""
        cosine, sine = np.cos(np.deg2rad(self.hue)), np.sin(np.deg2rad(self.hue))
        turned = _LUMINANCE + cosine * (np.eye(3) - _LUMINANCE) + sine * _SINE
        return (1 - self.share) * self.gain * turned

    def of(self, rgb: NDArray[np.float32]) -> NDArray[np.float32]:
        """The colours ``[..., 3]`` that it makes of some."""
        matrix, added = self.matrix.astype(np.float32), (self.share * np.array(self.paint)).astype(np.float32)
        # Products and sums one by one, not those of a BLAS: frames rendered elsewhere are the same ones.
        channels = [rgb[..., 0] * row[0] + rgb[..., 1] * row[1] + rgb[..., 2] * row[2] for row in matrix]
        return np.clip(np.stack(channels, axis=-1) + added, 0.0, 1.0)

    def of_texture(self, content: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The texture ``[H, W, 3]`` that it makes of another."""
        return np.rint(self.of(content.astype(np.float32) / np.float32(255)) * np.float32(255)).astype(np.uint8)
