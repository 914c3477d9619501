"""How often digits are named correctly, layer by layer, and what the majority class would reach."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class LayerAccuracy(NamedTuple):
    """Fractions of correctly named digits per layer, informative digits only, ``[L]``.

    Attributes:
        accuracy: of the model.
        majority: of naming every digit by its most frequent level in training.
    """

    accuracy: list[float]
    majority: list[float]


def layer_accuracy(
    predicted: NDArray[np.integer],
    labels: NDArray[np.integer],
    training_labels: NDArray[np.integer],
    informative: NDArray[np.bool_],
) -> LayerAccuracy:
    """Compares digits.

    Args:
        predicted: ``[N, C, D, L]``.
        labels: ``[N, C, D, L]`` of the same held-out rows.
        training_labels: ``[M, C, D, L]``; each digit ``(c, d, l)`` has a majority class of its own.
        informative: ``[L, D]``, digits that can take more than one level.
    """
    levels = int(max(labels.max(), training_labels.max())) + 1
    frequency = np.stack([(training_labels == level).sum(axis=0) for level in range(levels)])
    majority = frequency.argmax(axis=0)
    counted = np.broadcast_to(informative.T, labels.shape)
    return LayerAccuracy(
        accuracy=_mean_by_layer(predicted == labels, counted), majority=_mean_by_layer(majority == labels, counted)
    )


def _mean_by_layer(hits: NDArray[np.bool_], counted: NDArray[np.bool_]) -> list[float]:
    axes = tuple(range(hits.ndim - 1))
    return ((hits & counted).sum(axis=axes) / np.maximum(counted.sum(axis=axes), 1)).tolist()
