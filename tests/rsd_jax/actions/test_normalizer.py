import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer

ACTIONS = np.array([[-0.5, 0.0, -1.0], [0.3, 0.001, 1.0]], np.float32)


def test_range_is_that_of_the_training_actions_with_a_floor() -> None:
    normalizer = ActionNormalizer.from_actions(ACTIONS, smallest_half_range=0.05)
    np.testing.assert_allclose(normalizer.center, [-0.1, 0.0005, 0.0], atol=1e-7)
    np.testing.assert_allclose(normalizer.half_range, [0.4, 0.05, 1.0], atol=1e-7)


def test_training_actions_round_trip_and_stay_inside() -> None:
    normalizer = ActionNormalizer.from_actions(ACTIONS)
    normalized = normalizer.normalize(jnp.asarray(ACTIONS)[None])
    assert float(jnp.abs(normalized).max()) <= 1 + 1e-6
    np.testing.assert_allclose(normalizer.denormalize(normalized)[0], ACTIONS, atol=1e-6)


def test_any_number_denormalizes_into_the_range_and_the_gripper_to_a_sign() -> None:
    normalizer = ActionNormalizer.from_actions(ACTIONS)
    actions = normalizer.denormalize(jnp.array([[[9.0, -9.0, 0.2], [-9.0, 9.0, -1e-3]]]))
    np.testing.assert_allclose(actions[0, 0], [0.3, -0.0495, 1.0], atol=1e-6)
    np.testing.assert_allclose(actions[0, 1], [-0.5, 0.0505, -1.0], atol=1e-6)


def test_json_keeps_every_bit() -> None:
    normalizer = ActionNormalizer.from_actions(np.random.default_rng(0).uniform(-1, 1, (50, 7)).astype(np.float32))
    restored = ActionNormalizer.from_json(normalizer.to_json())
    np.testing.assert_array_equal(restored.center, normalizer.center)
    np.testing.assert_array_equal(restored.half_range, normalizer.half_range)


def test_actions_that_are_not_finite_are_named() -> None:
    actions = ACTIONS.copy()
    actions[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"actions\[1, 2\] is nan"):
        ActionNormalizer.from_actions(actions)


def test_wrong_rank_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected \[N, A\]"):
        ActionNormalizer.from_actions(np.zeros((2, 3, 4), np.float32))
