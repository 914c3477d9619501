import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.heads.action_heads import action_head, describe_action_head, make_action_head
from rsd_jax.heads.action_tokens_head import ActionTokensConfig
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from tests.rsd_jax.random_params import random_params

CONFIG = ResidualRegressionConfig(action_dim=3, hidden_features=8)
FEATURES = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 6)), jnp.float32)


def test_it_is_made_from_what_it_says_of_itself():
    for config in (CONFIG, ActionTokensConfig()):
        assert make_action_head(describe_action_head(config)) == config


def test_the_gripper_is_turned_into_liberos():
    """OpenVLA's data say 1 to open and 0 to close, LIBERO -1 and +1; motion is left alone."""
    head = action_head(CONFIG)
    variables = random_params(head.init, 0, FEATURES)
    variables["params"]["last"] = {"kernel": jnp.zeros((8, 3)), "bias": jnp.array([0.25, -0.5, 1.0])}
    np.testing.assert_allclose(head.apply(variables, FEATURES)[0, 0], [0.25, -0.5, -1.0])
    variables["params"]["last"] = {"kernel": jnp.zeros((8, 3)), "bias": jnp.array([0.25, -0.5, 0.0])}
    np.testing.assert_allclose(head.apply(variables, FEATURES)[0, 0], [0.25, -0.5, 1.0])


def test_small_features_meet_pytorchs_epsilon():
    """Of a variance of 1e-5 the first normalization, whose epsilon is 1e-5 too, leaves one half."""
    head = action_head(ResidualRegressionConfig(action_dim=3, hidden_features=2, blocks=0))
    variables = jax.tree.map(jnp.zeros_like, random_params(head.init, 0, FEATURES))
    params = variables["params"]
    params["first_norm"]["scale"] = jnp.ones(6)
    params["first"]["kernel"] = jnp.zeros((6, 2)).at[0, 0].set(1.0)  # the first feature, beside a zero
    params["last_norm"]["scale"] = jnp.full(2, 1e3)
    params["last"]["kernel"] = jnp.zeros((2, 3)).at[0, 0].set(1.0)
    small = jnp.sqrt(1e-5) * jnp.array([1.0, -1, 1, -1, 1, -1]) * jnp.ones((1, 1, 6))
    seen = np.sqrt(0.5)  # of which the last normalization makes the half's share of its own deviation
    expected = 1e3 * (seen / 2) / np.sqrt((seen / 2) ** 2 + 1e-5)
    np.testing.assert_allclose(head.apply(variables, small)[0, 0, 0], expected, rtol=1e-5)


def test_steps_are_read_for_themselves():
    head = action_head(CONFIG)
    variables = random_params(head.init, 1, FEATURES)
    whole = jax.jit(head.apply)(variables, FEATURES)
    changed = jax.jit(head.apply)(variables, FEATURES.at[:, 2].set(0.0))
    np.testing.assert_array_equal((np.asarray(whole) != np.asarray(changed)).any(axis=(0, 2)), [0, 0, 1, 0])


def test_a_policy_of_tokens_has_no_head_to_act_by():
    head = action_head(ActionTokensConfig())
    assert head.init(jax.random.key(0), FEATURES) == {"params": {}}
    with pytest.raises(ValueError, match="its actions are tokens of its language model"):
        head.apply({"params": {}}, FEATURES)
