import numpy as np
import pytest

from rsd_jax.rfsq.code_usage import code_usage


def test_by_hand() -> None:
    # one latent, two layers: the first takes 4 of 7 levels evenly, the second never moves
    tokens = np.stack([np.array([0, 1, 2, 3] * 2), np.full(8, 3)], axis=-1).reshape(2, 4, 1, 2)
    exists = np.ones((2, 1, 7), bool)
    usage = code_usage(tokens, exists, np.array([[True], [False]]))
    np.testing.assert_allclose(usage.entropy, [[2.0], [0.0]])
    assert usage.bits_per_step == 2.0
    np.testing.assert_allclose(usage.perplexity_by_layer, [4.0, 1.0])
    np.testing.assert_allclose(usage.usage_by_layer, [4 / 7, 0.0])


def test_what_would_not_be_counted_is_refused() -> None:
    exists, informative = np.ones((2, 1, 7), bool), np.ones((2, 1), bool)
    tokens = np.zeros((3, 4, 1, 2), int)
    with pytest.raises(ValueError, match=r"tokens\[2, 1, 0, 1\] is 7"):
        code_usage(np.where(np.arange(24).reshape(tokens.shape) == 19, 7, tokens), exists, informative)
    with pytest.raises(ValueError, match=r"tokens has shape \(3, 4, 2, 1\); expected \[N, C, 1, 2\]"):
        code_usage(tokens.swapaxes(2, 3), exists, informative)
