"""Frames blurred by LIBERO-Plus's rules: by motion, out of focus, and by zooming.

Its code calls ImageMagick, scikit-image and SciPy, in this order of functions; the two that are not used here are
described where they are replaced. A severity is 1 to 10.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Frame = NDArray[np.uint8]

_MOTION = ((5, 2), (8, 3), (10, 4), (12, 5), (15, 6), (18, 8), (20, 10), (25, 12), (30, 15), (35, 20))
_ZOOM = (
    *((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    *((1.36, 0.01), (1.41, 0.01), (1.46, 0.02), (1.51, 0.02), (1.56, 0.03)),
)


def motion_blur(frame: Frame, severity: int, generator: np.random.Generator) -> Frame:
    """Blurred along a line within 45 degrees of the horizontal, drawn anew for every frame.

    As ImageMagick's ``MotionBlurImage`` does it: from each pixel on, ``2 radius + 1`` pixels along the line are
    weighed by half a Gaussian, and what lies outside of the frame is its edge. Sums are float64, rounded at the end.
    """
    radius, sigma = _MOTION[severity - 1]
    angle = np.deg2rad(generator.uniform(-45, 45))
    places = np.arange(2 * radius + 1)
    weights = np.exp(-(places**2) / (2.0 * sigma**2))
    weights /= weights.sum()
    right, down = (np.ceil(places * part - 0.5).astype(int) for part in (np.cos(angle), np.sin(angle)))
    height, width = frame.shape[:2]
    rows, columns = np.arange(height), np.arange(width)
    blurred = np.zeros(frame.shape)
    for weight, row, column in zip(weights, down, right, strict=True):
        seen = frame[(rows + row).clip(0, height - 1)[:, None], (columns + column).clip(0, width - 1)]
        blurred += weight * seen
    return (blurred + 0.5).astype(np.uint8)


def gaussian_blur(frame: Frame, severity: int) -> Frame:
    """Blurred by a Gaussian of `severity` pixels; float64, fractions of the result are cut off."""
    return _cut_off(smooth(frame / 255.0, severity))


def zoom_blur(frame: Frame, severity: int) -> Frame:
    """The mean of the frame and of enlargements of its middle; float32, fractions of the result are cut off."""
    end, step = _ZOOM[severity - 1]
    factors = np.arange(1, end, step)
    image = (frame / 255.0).astype(np.float32)
    total = np.zeros_like(image)
    for factor in factors:
        total += _enlarged(image, factor)
    return _cut_off((image + total) / (len(factors) + 1))


def smooth(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Each channel of ``[H, W, 3]`` convolved with a Gaussian, as scikit-image's ``gaussian`` does by default."""
    smoothed: NDArray[np.float64] = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest", truncate=4.0)
    return smoothed


def _enlarged(image: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """The middle of a square image, enlarged to its size by linear interpolation."""
    size = len(image)
    middle = int(np.ceil(size / float(factor)))
    top = (size - middle) // 2
    cut = image[top : top + middle, top : top + middle]
    enlarged: NDArray[np.float32] = ndimage.zoom(cut, (factor, factor, 1), order=1)
    extra = (len(enlarged) - size) // 2
    return enlarged[extra : extra + size, extra : extra + size]


def _cut_off(image: NDArray[np.floating]) -> Frame:
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)
