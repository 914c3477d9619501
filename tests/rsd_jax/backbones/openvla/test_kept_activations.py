"""What is kept for the backward pass changes what is computed twice, and no gradient."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.backbones.openvla.kept_activations import KEPT_ACTIVATIONS
from rsd_jax.backbones.openvla.language_model import LanguageModel
from tests.benchmarks.policy_step_speed import count_operations

SIZES = replace(TINY.language, depth=2, vocabulary=128)
TOKENS = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, SIZES.width)), jnp.float32)


def gradient(kept):
    model = LanguageModel(SIZES, kept)

    def loss(params):
        run = model.apply({"params": params}, TOKENS, 0, 2, jnp.array([8, 5]), False, method="run_blocks")
        return jnp.sum(jnp.square(run[0][:, :5]))

    return jax.grad(loss)


@pytest.fixture(scope="module")
def params():
    run = {"first": 0, "last": 2, "method": "run_blocks"}
    return nn.unbox(jax.jit(lambda key: LanguageModel(SIZES).init(key, TOKENS, **run))(jax.random.key(0)))["params"]


def test_gradients_are_the_same(params):
    expected, *others = (jax.jit(gradient(kept))(params) for kept in KEPT_ACTIVATIONS)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected)) > 1
    for other in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), other, expected)


def test_what_is_not_kept_is_computed_twice(params):
    keep_all, products, inputs = (
        count_operations(jax.make_jaxpr(gradient(kept))(params).jaxpr) for kept in KEPT_ACTIVATIONS
    )
    assert keep_all < products < inputs


def test_it_is_a_setting_of_training_that_no_checkpoint_says():
    backbone = OpenVlaBackbone(TINY, kept_activations="inputs")
    assert OpenVlaBackbone.from_json(backbone.to_json()) == OpenVlaBackbone(TINY)
    with pytest.raises(ValueError, match="kept_activations is 'some'; it must be one of all, products, inputs"):
        OpenVlaBackbone(TINY, kept_activations="some")
