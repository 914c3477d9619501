"""The one way from a rendered frame to a stored one: collection and evaluation both pass through `to_stored_size`."""

import numpy as np
from numpy.typing import NDArray

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
