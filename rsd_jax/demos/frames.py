"""From rendered frames to smaller ones, by one exact function for collection and for a policy's compiled call.

Integer arithmetic throughout, so that every machine gives the same bits; and in terms of methods that arrays of NumPy
and JAX share, so that one definition serves both: simulation workers call it without JAX, compiled programs trace it.
"""

import functools
import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import jax

RENDER_SIZE = 256
"""Height and width at which cameras render, pixels."""

STORED_SIZE = 128
"""Height and width of frames in demonstration files and of frames that policies preprocess, pixels."""

Frames = TypeVar("Frames", NDArray[np.uint8], "jax.Array")

_LOBES = 3  # of the Lanczos filter, on either side
_PRECISION = 22  # bits behind the point of its weights: a pixel's sum then fits into 32 bits


def to_stored_size(frames: Frames) -> Frames:
    """Halves frames by the exact mean of each 2x2 block, rounded half up. The orientation is left as it is.

    Args:
        frames: as rendered, ``uint8 [..., 256, 256, 3]``.

    Returns:
        ``uint8 [..., 128, 128, 3]``.

    Raises:
        ValueError: `frames` have another shape or type.
    """
    _check_rendered(frames)
    wide = frames.astype(np.uint16)
    rows = wide[..., 0::2, :, :] + wide[..., 1::2, :, :]
    return ((rows[..., 0::2, :] + rows[..., 1::2, :] + 2) >> 2).astype(np.uint8)


def to_size(frames: Frames, size: int) -> Frames:
    """Rendered frames ``uint8 [..., 256, 256, 3]`` with sides of `size` pixels: as rendered, stored, or resampled.

    The stored size comes from `to_stored_size`, any other from the antialiased Lanczos filter, with the fixed-point
    weights and the roundings of Pillow's ``resize``: the result is Pillow's, to the last bit.

    Raises:
        ValueError: `size` is not between 1 and 256, or the frames have another shape or type.
    """
    if not 1 <= size <= RENDER_SIZE:
        raise ValueError(f"image_size={size} must be from 1 to {RENDER_SIZE}, the size at which cameras render")
    if size == STORED_SIZE:
        return to_stored_size(frames)
    _check_rendered(frames)
    if size == RENDER_SIZE:
        return frames
    # As Pillow does: along rows first, and what comes out is rounded to a byte before the columns' turn.
    filter_ = _lanczos(size)
    across = frames[..., filter_.places, :].astype(np.int32) * filter_.weights[:, :, None]
    narrow = _to_byte(across.sum(axis=-2))
    down = narrow[..., filter_.places, :, :].astype(np.int32) * filter_.weights[:, :, None, None]
    return _to_byte(down.sum(axis=-3))


class _Filter(NamedTuple):
    """Which pixels of a line each new pixel takes, ``[size, taps]``, and their weights, fixed-point."""

    places: NDArray[np.int32]
    weights: NDArray[np.int32]


@functools.cache
def _lanczos(size: int) -> _Filter:
    """Pillow's weights from `RENDER_SIZE` pixels to `size` (``precompute_coeffs`` in its ``Resample.c``)."""
    scale = RENDER_SIZE / size
    reach = _LOBES * scale
    places = np.zeros((size, min(2 * math.ceil(reach) + 1, RENDER_SIZE)), np.int32)
    weights = np.zeros_like(places)
    for pixel in range(size):
        center = (pixel + 0.5) * scale
        first, last = max(int(center - reach + 0.5), 0), min(int(center + reach + 0.5), RENDER_SIZE)
        taps = [_kernel((place - center + 0.5) * (1 / scale)) for place in range(first, last)]
        total = sum(taps)
        for tap, weight in enumerate(taps):
            exact = weight / total * (1 << _PRECISION)
            places[pixel, tap] = first + tap
            weights[pixel, tap] = int(exact + math.copysign(0.5, exact))
    return _Filter(places, weights)


def _kernel(distance: float) -> float:
    """The Lanczos window at so many new pixels from the centre."""
    return _sinc(distance) * _sinc(distance / _LOBES) if -_LOBES <= distance < _LOBES else 0.0


def _sinc(value: float) -> float:
    angle = value * math.pi
    return math.sin(angle) / angle if angle else 1.0


def _to_byte(sums: Frames) -> Frames:
    """Fixed-point sums rounded half up and clipped to what a pixel can be."""
    return ((sums + (1 << (_PRECISION - 1))) >> _PRECISION).clip(0, 255).astype(np.uint8)


def _check_rendered(frames: Frames) -> None:
    expected = (RENDER_SIZE, RENDER_SIZE, 3)
    if frames.shape[-3:] != expected or frames.dtype != np.uint8:
        raise ValueError(
            f"frames are {frames.dtype} {frames.shape}; on their last axes they must be uint8 {expected}, as rendered"
        )
