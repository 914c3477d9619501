"""From rendered frames to smaller ones: the stored size by one exact function, for collection and evaluation alike."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RENDER_SIZE = 256
"""Height and width at which cameras render, pixels."""

STORED_SIZE = 128
"""Height and width of frames in demonstration files and of frames that policies preprocess, pixels."""


def to_stored_size(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Halves a frame by the exact mean of each 2x2 block, rounded half up.

    Integer arithmetic throughout, so that every machine gives the same bits. The orientation is left as it is.

    Args:
        frame: a rendered frame, ``uint8 [256, 256, 3]``.

    Returns:
        ``uint8 [128, 128, 3]``.

    Raises:
        ValueError: `frame` has another shape or type.
    """
    expected = (RENDER_SIZE, RENDER_SIZE, 3)
    if frame.shape != expected or frame.dtype != np.uint8:
        raise ValueError(f"frame is {frame.dtype} {frame.shape}; expected uint8 {expected}, as cameras render it")
    wide = frame.astype(np.uint16)
    rows = wide[0::2] + wide[1::2]
    return ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


def to_size(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A rendered frame ``uint8 [256, 256, 3]`` with sides of `size` pixels: as rendered, stored, or resampled.

    The stored size comes from `to_stored_size`, any other from Pillow's antialiased Lanczos filter.

    Raises:
        ValueError: `size` is not between 1 and 256, or the frame has another shape or type.
    """
    if not 1 <= size <= RENDER_SIZE:
        raise ValueError(f"image_size={size} must be from 1 to {RENDER_SIZE}, the size at which cameras render")
    if size == STORED_SIZE:
        return to_stored_size(frame)
    if frame.shape != (RENDER_SIZE, RENDER_SIZE, 3) or frame.dtype != np.uint8:
        raise ValueError(f"frame is {frame.dtype} {frame.shape}; expected uint8 {(RENDER_SIZE, RENDER_SIZE, 3)}")
    if size == RENDER_SIZE:
        return frame
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.LANCZOS))
