import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.heads.action_heads import action_head, describe_action_head, make_action_head
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.heads.two_step_head import TwoStepConfig, TwoStepHead
from tests.rsd_jax.random_params import random_params

CONFIG = TwoStepConfig(chunk_length=2, width=8)
FEATURES = jax.random.normal(jax.random.key(0), (1, 4, 6))
"""Two chunks of two steps."""


@pytest.fixture(scope="module")
def variables():
    return random_params(TwoStepHead(CONFIG).init, 1, FEATURES)


def test_the_second_step_refines_the_first_and_knows_that_it_is_the_second(variables):
    head = TwoStepHead(CONFIG)

    @jax.jit
    def both():
        begun = head.apply(variables, FEATURES, method="begin")
        refined = head.apply(variables, FEATURES, begun, method="refine")
        from_zero = head.apply(variables, FEATURES, jnp.zeros_like(begun), method="refine")
        return begun, refined, from_zero, head.apply(variables, FEATURES)

    begun, refined, from_zero, found = both()
    np.testing.assert_array_equal(found, refined)
    assert bool(jnp.any(from_zero != begun))
    assert bool(jnp.any(from_zero != refined))


def test_the_steps_of_a_chunk_refine_each_other_and_no_other_chunk(variables):
    refine = jax.jit(
        lambda intermediate: TwoStepHead(CONFIG).apply(variables, FEATURES, intermediate, method="refine")
    )
    intermediate = jnp.zeros((1, 4, 7))
    changed = refine(intermediate) != refine(intermediate.at[0, 1, 0].set(1.0))
    np.testing.assert_array_equal(changed.any(axis=-1), [[True, True, False, False]])


@pytest.mark.parametrize("config", [RegressionConfig(), CONFIG])
def test_a_head_is_made_from_its_description(config):
    assert make_action_head(describe_action_head(config)) == config
    assert action_head(config).config == config


def test_the_description_of_a_regression_head_is_that_of_earlier_versions():
    assert describe_action_head(RegressionConfig()) == {"action_dim": 7}
    with pytest.raises(ValueError, match="action head kind is 'three_step'; it must be one of regression, residual"):
        make_action_head({"kind": "three_step"})
