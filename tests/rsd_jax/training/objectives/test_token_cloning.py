"""Demonstrated tokens teach the main head and the features; the regression head is a probe."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.heads.main_head import MainHead, MainHeadConfig, draw_main_head
from rsd_jax.heads.regression_head import RegressionConfig, RegressionHead
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.rfsq import RepetitionFrame, RfsqTokenizer, make_table
from rsd_jax.training.objectives.token_cloning import TokenCloning, TokenConstants
from tests.rsd_jax.random_params import random_params

CHUNK, FEATURES, LAYERS, LEVELS = 2, 6, 3, 5
FRAME = RepetitionFrame((1,) * 7)
MAIN = MainHeadConfig(LAYERS, 7, LEVELS, width=8, depth=1, column_features=4)
NETWORK = PolicyNetwork(CompactBackbone(chunk_length=CHUNK), RegressionConfig(), MAIN)
OBJECTIVE = TokenCloning(NETWORK)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def frozen() -> TokenConstants:
    step = 0.3 * 0.4 ** jnp.arange(LAYERS)[:, None] * jnp.ones((LAYERS, 7))
    normalizer = ActionNormalizer(jnp.zeros(7), jnp.full(7, 2.0))
    tokenizer = RfsqTokenizer({}, make_table(0 * step, step, LEVELS), normalizer, FRAME, CHUNK)
    return TokenConstants(None, None, tokenizer, tokenizer.informative)


@pytest.fixture(scope="module")
def params():
    head = random_params(RegressionHead(RegressionConfig()).init, 1, np.zeros((1, CHUNK, FEATURES), np.float32))
    main = random_params(lambda key: draw_main_head(MainHead(MAIN), key, CHUNK, FEATURES), 2)
    return {"regression_head": head["params"], "main_head": main}


@pytest.fixture(scope="module")
def gradients(frozen):
    """The loss with its gradients for parameters and features, of actions whose last step does not count."""

    @jax.jit
    def differentiate(params, actions, weight):
        batch = {"actions": actions, "mask": jnp.array([[True, False]])}
        objective = dataclasses.replace(OBJECTIVE, digit_weight=weight)

        def loss(params, features):
            return objective.head_loss(params, frozen, features, batch, KEY)[0]

        return jax.value_and_grad(loss, argnums=(0, 1))(params, FEATURE_ROW)

    return differentiate


FEATURE_ROW, ACTIONS = (
    np.random.default_rng(seed).uniform(-1, 1, (1, CHUNK, n)).astype(np.float32) for seed, n in ((5, FEATURES), (6, 7))
)


def test_tokens_teach_the_features_and_the_probe_does_not(gradients, params):
    _, (of_params, of_features) = gradients(params, ACTIONS, 1.0)
    assert bool(jnp.any(of_features[0, 0] != 0))
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(of_params["regression_head"]))
    # What the probe says depends on its parameters; what the features learn does not.
    moved = {**params, "regression_head": jax.tree.map(lambda leaf: -leaf, params["regression_head"])}
    _, (_, again) = gradients(moved, ACTIONS, 1.0)
    np.testing.assert_array_equal(again, of_features)


def test_digits_teach_the_features_too(gradients, params):
    """Beside the distance of the latents: through the columns' context."""
    (_, (_, with_digits)), (_, (_, without)) = (gradients(params, ACTIONS, weight) for weight in (1.0, 0.0))
    assert bool(jnp.any(with_digits[0, 0] != without[0, 0]))


def test_steps_that_do_not_count_change_nothing(gradients, params):
    loss, (_, of_features) = gradients(params, ACTIONS, 1.0)
    other_loss, _ = gradients(params, np.where([[[True], [False]]], ACTIONS, np.float32(0.9)), 1.0)
    assert loss == other_loss
    assert not bool(jnp.any(of_features[0, 1]))


def test_a_policy_without_main_head_or_with_foresight_is_refused():
    with pytest.raises(ValueError, match=r"network\.main is None; a policy of tokens needs a main head"):
        TokenCloning(PolicyNetwork(NETWORK.backbone, RegressionConfig()))
    with pytest.raises(ValueError, match=r"network\.backbone\.chunks is 2; .* model\.backbone\.chunks=1"):
        TokenCloning(PolicyNetwork(CompactBackbone(chunk_length=CHUNK, chunks=2), RegressionConfig(), MAIN))


class KnownNetwork(PolicyNetwork):
    """Draws what is given."""

    def init(self, key):
        return {"backbone": {"kernel": jnp.ones(3)}, "main_head": key}


def test_at_first_the_main_head_is_as_unsure_as_its_estimate_is_bad(params):
    """Else digits that nothing can be known of yet would begin at many nats, and teach noise."""
    drawn = TokenCloning(KnownNetwork(NETWORK.backbone, NETWORK.head, MAIN)).init(params["main_head"]).params
    spreads = np.exp(drawn["main_head"]["digit_logits"].pop("log_spread"))
    np.testing.assert_allclose(spreads, np.full(7, 0.3), rtol=1e-6)
    expected = {**params["main_head"], "digit_logits": dict(params["main_head"]["digit_logits"])}
    del expected["digit_logits"]["log_spread"]
    jax.tree.map(np.testing.assert_array_equal, drawn["main_head"], expected)
    np.testing.assert_array_equal(drawn["backbone"]["kernel"], 1)
