"""A frame by a formula, and draws as LIBERO-Plus's code makes them."""

import numpy as np

ROWS = np.arange(256)
FRAME = np.stack(
    [
        np.add.outer(7 * ROWS, 3 * ROWS) % 256,
        np.bitwise_xor.outer(ROWS, ROWS),
        np.where(np.add.outer(ROWS // 32, ROWS // 32) % 2, 255, 0),
    ],
    axis=-1,
).astype(np.uint8)


class GlobalGenerator:
    """What NumPy's global generator draws after `numpy.random.seed(5)`, by the methods of a newer one."""

    def __init__(self):
        self._state = np.random.RandomState(5)

    def uniform(self, low, high, size=None):
        return self._state.uniform(low, high, size)

    def integers(self, low, high, size):
        return self._state.randint(low, high, size)
