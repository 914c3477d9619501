"""What TensorFlow's image kernels compute, pixel by pixel from their definitions, for images ``uint8 [H, W, 3]``.

``tf.image.resize(method="lanczos3", antialias=True)`` is the kernel ScaleAndTranslate, and the crop is CropAndResize;
their float32 arithmetic is kept in order.
"""

import numpy as np


def lanczos3(distance):
    x = np.abs(distance)
    if x > 3:
        return 0.0
    return 1.0 if x <= 1e-3 else 3 * np.sin(np.pi * x) * np.sin(np.pi * x / 3) / (np.pi * x) ** 2


def resize_line(line, size):
    """Along the first axis, ``[L, ...]`` to ``[size, ...]``."""
    scale = len(line) / size
    stretch = max(scale, 1.0)
    result = []
    for place in range(size):
        centre = (place + 0.5) * scale
        begin = max(0, int(np.ceil(centre - 3 * stretch - 0.5)))
        end = min(len(line) - 1, int(np.floor(centre + 3 * stretch - 0.5))) + 1
        weights = np.array([lanczos3((source + 0.5 - centre) / stretch) for source in range(begin, end)])
        result.append(np.tensordot(weights / weights.sum(), line[begin:end], axes=1))
    return np.stack(result)


def resize(image, size):
    rows = resize_line(image.astype(np.float64), size)
    return np.clip(np.round(resize_line(rows.swapaxes(0, 1), size).swapaxes(0, 1)), 0, 255).astype(np.uint8)


def crop_centre(image, area=0.9):
    size, side = len(image), np.sqrt(np.float32(area))
    scaled = image.astype(np.float32) * np.float32(1 / 255)
    begin = (np.float32(1) - side) / 2
    step = (begin + side - begin) * (size - 1) / (size - 1)
    result = np.zeros_like(scaled)
    for y in range(size):
        for x in range(size):
            at = [begin * (size - 1) + np.float32(place) * step for place in (y, x)]
            (top, left), (bottom, right) = (np.floor(at).astype(int), np.ceil(at).astype(int))
            down, along = at[0] - top, at[1] - left
            upper = scaled[top, left] + (scaled[top, right] - scaled[top, left]) * along
            lower = scaled[bottom, left] + (scaled[bottom, right] - scaled[bottom, left]) * along
            result[y, x] = upper + (lower - upper) * down
    return (np.clip(result, 0, 1) * np.float32(255.5)).astype(np.uint8)
