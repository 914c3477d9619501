import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.proprioception import ProprioNormalizer


def test_normalises_by_mean_and_standard_deviation_with_a_floor() -> None:
    normalizer = ProprioNormalizer.from_proprio(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32))
    assert normalizer.offset.tolist() == [2.0, 5.0]
    np.testing.assert_allclose(normalizer.normalize(jnp.array([[3.0, 5.01]])), [[1.0, 1.0]], atol=1e-4)
    assert normalizer.normalize(jnp.array([[99.0, 5.0]])).tolist() == [[5.0, 0.0]]


def test_json_round_trip_is_exact() -> None:
    normalizer = ProprioNormalizer.from_proprio(np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32))
    restored = ProprioNormalizer.from_json(normalizer.to_json())
    np.testing.assert_array_equal(restored.offset, normalizer.offset)
    np.testing.assert_array_equal(restored.scale, normalizer.scale)


def test_rejects_values_that_are_not_finite_and_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"proprio\[1, 0\] is nan"):
        ProprioNormalizer.from_proprio(np.array([[0.0], [np.nan]], np.float32))
    with pytest.raises(ValueError, match=r"expected \[N, P\]"):
        ProprioNormalizer.from_proprio(np.zeros(8, np.float32))
