"""Both steps are supervised, the second one from the label with noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.heads.two_step_head import TwoStepConfig, TwoStepHead
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.training.objectives.two_step_cloning import TwoStepCloning
from tests.rsd_jax.random_params import random_params

HEAD = TwoStepConfig(chunk_length=2, width=8)
OBJECTIVE = TwoStepCloning(PolicyNetwork(CompactBackbone(chunk_length=2), HEAD), noise=0.25)
DRAW = np.random.default_rng(0)
FEATURES = DRAW.uniform(-1, 1, (3, 2, 6)).astype(np.float32)
BATCH = {
    "actions": jnp.asarray(DRAW.uniform(-1, 1, (3, 2, 7)), jnp.float32),
    "mask": jnp.array([[True, True], [True, False], [True, True]]),
}
KEY = jax.random.key(2)


def test_the_loss_is_that_of_both_steps_each_by_its_scale():
    params = random_params(TwoStepHead(HEAD).init, 3, FEATURES)["params"]

    @jax.jit
    def both():
        noised = BATCH["actions"] + 0.25 * jax.random.normal(KEY, BATCH["actions"].shape)
        first = TwoStepHead(HEAD).apply({"params": params}, FEATURES, method="begin")
        second = TwoStepHead(HEAD).apply({"params": params}, FEATURES, noised, method="refine")
        return OBJECTIVE.head_loss({"regression_head": params}, None, FEATURES, BATCH, KEY), first, second

    (loss, metrics), first, second = both()

    def distance(predicted):
        return np.abs(predicted - BATCH["actions"])[BATCH["mask"]].mean()

    np.testing.assert_allclose(loss, distance(first) / 0.75 + distance(second) / 0.25, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss/l1_refined"], distance(second), rtol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_noise_without_meaning_is_refused(noise):
    with pytest.raises(ValueError, match=rf"noise is {noise}; it must lie between 0 and 1"):
        TwoStepCloning(OBJECTIVE.network, noise=noise)
