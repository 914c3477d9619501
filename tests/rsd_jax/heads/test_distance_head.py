import jax
import numpy as np
import pytest

from rsd_jax.heads.distance_head import DistanceConfig, DistanceHead
from tests.rsd_jax.random_params import alive, initialised

FEATURES = jax.random.normal(jax.random.key(0), (3, 8, 12))
DRAFTED = jax.random.normal(jax.random.key(1), (3, 8, 7))


@pytest.fixture(scope="module")
def tell():
    head = DistanceHead(DistanceConfig(width=16))
    params = {"params": alive(initialised(head.init, 1, FEATURES, DRAFTED)["params"], 2)}
    compiled = jax.jit(head.apply)
    return lambda features, drafted: np.asarray(compiled(params, features, drafted))


def test_every_step_of_a_row_and_no_other_row_counts(tell):
    told = tell(FEATURES, DRAFTED)
    assert told.shape == (3,)
    for step in range(8):
        for other in ((FEATURES.at[1, step].add(3.0), DRAFTED), (FEATURES, DRAFTED.at[1, step].add(3.0))):
            changed = np.abs(tell(*other) - told)
            assert changed[1] > 1e-4, step
            np.testing.assert_allclose(changed[[0, 2]], 0, atol=1e-6)


def test_steps_are_judged_together_wherever_they_stand(tell):
    """Of the drafted actions it counts which of them follow each other."""
    still = DRAFTED[:, :1].repeat(8, axis=1)
    np.testing.assert_allclose(tell(FEATURES[:, ::-1], still), tell(FEATURES, still), rtol=1e-4, atol=1e-5)
    assert np.abs(tell(FEATURES, DRAFTED[:, [0, 2, 1, 3, 4, 5, 6, 7]]) - tell(FEATURES, DRAFTED)).max() > 1e-4
