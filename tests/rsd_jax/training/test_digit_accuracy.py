import numpy as np

from rsd_jax.training.digit_accuracy import layer_accuracy


def test_by_hand() -> None:
    # one chunk step, two latents, two layers; the second latent's fine digit is not informative
    labels = np.array([[[[1, 0], [2, 3]]], [[[1, 5], [2, 3]]]])
    predicted = np.array([[[[1, 0], [2, 0]]], [[[0, 5], [2, 0]]]])
    training = np.array([[[[1, 5], [0, 3]]], [[[1, 5], [0, 3]]], [[[4, 0], [2, 3]]]])
    result = layer_accuracy(predicted, labels, training, informative=np.array([[True, True], [True, False]]))
    assert result.accuracy == [3 / 4, 1.0]
    assert result.majority == [2 / 4, 1 / 2]
