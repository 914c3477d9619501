import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer

# Three dimensions and the gripper, which OpenVLA's files leave in {0, 1}.
Q01, Q99 = [-0.5, 0.0, -0.01, 0.0], [0.3, 1.0, 0.01, 1.0]
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


def test_quantiles_become_the_ends_of_the_range_and_the_gripper_stays() -> None:
    normalizer = ActionNormalizer.from_quantiles(Q01, Q99)
    ends = normalizer.normalize(jnp.array([[[-0.5, 0.0, -0.01, -1.0], [0.3, 1.0, 0.01, 1.0]]]))
    np.testing.assert_allclose(ends[0], [[-1.0] * 4, [1.0] * 4], atol=1e-6)
    np.testing.assert_allclose(normalizer.center, [-0.1, 0.5, 0.0, 0.0], atol=1e-7)
    np.testing.assert_allclose(normalizer.half_range, [0.4, 0.5, 0.01, 1.0], atol=1e-7)


@pytest.mark.parametrize("last", [True, False])
def test_dimensions_outside_the_mask_are_left_as_they_are(last: bool) -> None:
    normalizer = ActionNormalizer.from_quantiles(Q01, Q99, mask=[True, False, True, last])
    np.testing.assert_allclose(normalizer.center, [-0.1, 0.0, 0.0, 0.0], atol=1e-7)
    np.testing.assert_allclose(normalizer.half_range, [0.4, 1.0, 0.01, 1.0], atol=1e-7)


def test_nearly_constant_dimensions_of_imported_statistics_have_a_floor_on_request() -> None:
    normalizer = ActionNormalizer.from_quantiles(Q01, Q99, smallest_half_range=0.05)
    np.testing.assert_allclose(normalizer.half_range, [0.4, 0.5, 0.05, 1.0], atol=1e-7)


def test_quantiles_that_span_no_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"q01\[1\] is 1.0 and q99\[1\] is 1.0; .* mask\[1\] to False"):
        ActionNormalizer.from_quantiles([0.0, 1.0, 0.0], [1.0, 1.0, 0.0])
    with pytest.raises(ValueError, match=r"q99\[0\] is nan"):
        ActionNormalizer.from_quantiles([0.0, 0.0], [np.nan, 1.0])
    ActionNormalizer.from_quantiles([0.0, 1.0, 0.0], [1.0, 1.0, 0.0], mask=[True, False, True])


def test_quantiles_of_different_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"shapes \(4,\), \(4,\) and \(3,\)"):
        ActionNormalizer.from_quantiles(Q01, Q99, mask=[True] * 3)
    with pytest.raises(ValueError, match=r"shapes \(4,\), \(3,\) and \(4,\)"):
        ActionNormalizer.from_quantiles(Q01, Q99[:3])


def test_statistics_are_found_by_the_name_of_their_dataset() -> None:
    statistics = {"libero_spatial": {"action": {"q01": Q01, "q99": Q99, "mask": [True, False, True, False]}}}
    normalizer = ActionNormalizer.from_dataset_statistics(statistics, "libero_spatial")
    np.testing.assert_allclose(normalizer.half_range, [0.4, 1.0, 0.01, 1.0], atol=1e-7)
    del statistics["libero_spatial"]["action"]["mask"]
    normalizer = ActionNormalizer.from_dataset_statistics(statistics, "libero_spatial", smallest_half_range=0.05)
    np.testing.assert_allclose(normalizer.half_range, [0.4, 0.5, 0.05, 1.0], atol=1e-7)


def test_a_dataset_without_statistics_is_named_beside_those_that_have_them() -> None:
    statistics = {"libero_goal": {"action": {"q01": Q01}}, "bridge_orig": {}}
    with pytest.raises(
        ValueError, match=r"key is 'libero_gaol'; .* libero_goal, bridge_orig; did you mean 'libero_goal'"
    ):
        ActionNormalizer.from_dataset_statistics(statistics, "libero_gaol")
    with pytest.raises(ValueError, match=r"statistics\['libero_goal'\]\['action'\] has no q99;"):
        ActionNormalizer.from_dataset_statistics(statistics, "libero_goal")
    with pytest.raises(ValueError, match=r"has no q01 and no q99;"):
        ActionNormalizer.from_dataset_statistics(statistics, "bridge_orig")


def test_clip_loss_is_the_mean_square_of_what_lies_outside_the_quantiles() -> None:
    normalizer = ActionNormalizer.from_quantiles(Q01, Q99)
    # In half ranges: 1 too high in one of two rows; 0.5 too low and 1 too high; inside; a gripper far outside.
    actions = np.array([[0.7, -0.25, 0.01, 9.0], [0.3, 1.5, -0.01, -1.0]], np.float32)
    np.testing.assert_allclose(normalizer.clip_loss(actions), [0.5, 0.625, 0.0, 0.0], atol=1e-6)
    lost = (
        normalizer.denormalize(normalizer.normalize(jnp.asarray(actions)[None]))[0] - actions
    ) / normalizer.half_range
    np.testing.assert_allclose(jnp.square(lost).mean(axis=0)[:3], normalizer.clip_loss(actions)[:3], atol=1e-6)


def test_a_range_that_holds_all_actions_loses_nothing_by_clipping() -> None:
    np.testing.assert_allclose(ActionNormalizer.from_actions(ACTIONS).clip_loss(ACTIONS), 0.0, atol=1e-12)


def test_clip_loss_names_actions_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3\); expected \[N, 4\]"):
        ActionNormalizer.from_quantiles(Q01, Q99).clip_loss(ACTIONS)


def test_what_clipping_changes_is_counted_by_dimension() -> None:
    normalizer = ActionNormalizer.from_quantiles(Q01, Q99)
    # One of two rows too high; both out; inside; a gripper far outside.
    actions = np.array([[0.7, -0.25, 0.01, 9.0], [0.3, 1.5, -0.01, -1.0]], np.float32)
    np.testing.assert_allclose(normalizer.clipped_fraction(actions), [0.5, 1.0, 0.0, 0.0])
    assert not ActionNormalizer.from_actions(ACTIONS).clipped_fraction(ACTIONS).any()
    with pytest.raises(ValueError, match=r"shape \(2, 3\); expected \[N, 4\]"):
        normalizer.clipped_fraction(actions[:, :3])
