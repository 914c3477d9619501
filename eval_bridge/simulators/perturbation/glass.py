"""Frames seen through frosted glass, by LIBERO-Plus's rules."""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.perturbation.blur import Frame, smooth

_SETTINGS = (
    *((0.5, 1, 3), (0.7, 1, 3), (0.9, 2, 3), (1.0, 2, 2), (1.1, 3, 2)),
    *((1.3, 3, 2), (1.5, 4, 2), (1.8, 4, 2), (2.2, 5, 1), (2.5, 5, 1)),
)
"""By severity: blur in pixels, farthest neighbour, rounds."""


def glass_blur(frame: Frame, severity: int, generator: np.random.Generator) -> Frame:
    """Smoothed, then each pixel replaced by a random neighbour, then smoothed again.

    A round goes through the frame from its last pixel to its first, and a pixel takes what its neighbour then shows.
    LIBERO-Plus's code writes an exchange of the two, but with arrays it is this. Smoothing is float64, and fractions
    are cut off after both times.

    Args:
        frame: ``uint8 [H, W, 3]``.
        severity: 1 to 10.
        generator: of the neighbours.
    """
    sigma, reach, rounds = _SETTINGS[severity - 1]
    image = (smooth(frame / 255.0, sigma) * 255).astype(np.uint8)
    height, width = image.shape[:2]
    rows, columns = np.arange(height - reach, reach, -1), np.arange(width - reach, reach, -1)
    for _ in range(rounds):
        shifts = generator.integers(-reach, reach, size=(len(rows), len(columns), 2))
        image = take_neighbours(image, rows, columns, shifts)
    return (np.clip(smooth(image / 255.0, sigma), 0, 1) * 255).astype(np.uint8)


def take_neighbours(
    image: NDArray[np.uint8], rows: NDArray[np.int64], columns: NDArray[np.int64], shifts: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """What is left when pixels, one after the other, take what a neighbour shows at that moment.

    A neighbour that had its turn shows what it took, so that a pixel's origin lies at the end of a chain. Chains are
    followed for all pixels together, each time twice as far.

    Args:
        image: ``[H, W, 3]``.
        rows, columns: of the pixels that take, in order, all columns of a row before the next row.
        shifts: where the neighbour lies, columns first, ``[R, C, 2]``.
    """
    height, width = image.shape[:2]
    count = height * width
    turn = np.full(count, count)  # pixels that never take come after all others
    takers = (rows[:, None] * width + columns).ravel()
    turn[takers] = np.arange(len(takers))
    neighbours = ((rows[:, None] + shifts[..., 1]) * width + columns + shifts[..., 0]).ravel()
    origin = np.arange(count)
    origin[takers] = neighbours
    # A chain goes on where the neighbour's turn was earlier; its end is a pixel whose neighbour had not had it yet.
    following = np.arange(count)
    went_before = turn[neighbours] < turn[takers]
    following[takers[went_before]] = neighbours[went_before]
    while True:
        further = following[following]
        if (further == following).all():
            break
        following = further
    taken: NDArray[np.uint8] = image.reshape(count, -1)[origin[following]].reshape(image.shape)
    return taken
