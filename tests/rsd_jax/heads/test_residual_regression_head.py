import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.heads.action_heads import action_head, describe_action_head, make_action_head
from rsd_jax.heads.action_tokens import ActionTokensConfig
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
