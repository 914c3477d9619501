import jax
import numpy as np
import pytest

from rsd_jax.heads.distance_head import DistanceConfig, DistanceHead
from tests.rsd_jax.random_params import alive, initialised

FEATURES = jax.random.normal(jax.random.key(0), (3, 8, 12))


@pytest.fixture(scope="module")
def tell():
    head = DistanceHead(DistanceConfig(width=16))
    params = {"params": alive(initialised(head.init, 1, FEATURES)["params"], 2)}
    compiled = jax.jit(head.apply)
    return lambda features: np.asarray(compiled(params, features))


def test_every_step_of_a_row_and_no_other_row_counts(tell):
    told = tell(FEATURES)
    assert told.shape == (3,)
    for step in range(8):
        changed = np.abs(tell(FEATURES.at[1, step].add(3.0)) - told)
        assert changed[1] > 1e-4, step
        np.testing.assert_allclose(changed[[0, 2]], 0, atol=1e-6)


def test_steps_are_judged_together_whatever_their_order(tell):
    np.testing.assert_allclose(tell(FEATURES[:, ::-1]), tell(FEATURES), rtol=1e-4, atol=1e-5)
