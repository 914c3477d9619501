"""Statistics of features, as LeRobot datasets carry them for the normalisation of policies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Statistics = Mapping[str, list[Any]]
"""Name of a statistic -> its value, nested lists of numbers."""

_QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
_LEVELS = 256


def vector_statistics(values: NDArray[np.generic]) -> Statistics:
    """Statistics of the rows ``[N]`` or ``[N, D]``, by dimension."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    return {
        "min": rows.min(axis=0).tolist(),
        "max": rows.max(axis=0).tolist(),
        "mean": rows.mean(axis=0).tolist(),
        "std": rows.std(axis=0).tolist(),
        "count": [len(rows)],
        **{_quantile_name(q): np.quantile(rows, q, axis=0).tolist() for q in _QUANTILES},
    }


def channel_histograms(frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often each level occurs in each colour channel of ``[T, H, W, 3]``: ``int64 [3, 256]``; may be added up."""
    return np.stack([np.bincount(frames[..., channel].ravel(), minlength=_LEVELS) for channel in range(3)])


def image_statistics(histograms: NDArray[np.int64], count: int) -> Statistics:
    """Statistics of `count` images by colour channel, levels scaled to [0, 1], each of the shape ``[3, 1, 1]``."""
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    total = histograms.sum(axis=1)
    mean = histograms @ levels / total
    variance = histograms @ levels**2 / total - mean**2
    shares = np.cumsum(histograms, axis=1) / total[:, None]
    values = {
        "min": levels[(histograms > 0).argmax(axis=1)],
        "max": levels[_LEVELS - 1 - (histograms[:, ::-1] > 0).argmax(axis=1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(variance, 0.0)),
        **{_quantile_name(q): levels[(shares >= q).argmax(axis=1)] for q in _QUANTILES},
    }
    return {name: value.reshape(3, 1, 1).tolist() for name, value in values.items()} | {"count": [count]}


def _quantile_name(quantile: float) -> str:
    return f"q{round(100 * quantile):02d}"
