import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.heads.regression_head import RegressionConfig, RegressionHead


def test_each_chunk_step_is_read_from_its_own_features() -> None:
    head = RegressionHead(RegressionConfig(action_dim=7))
    features = jax.random.normal(jax.random.key(0), (2, 8, 12))
    params, apply = jax.jit(head.init)(jax.random.key(1), features), jax.jit(head.apply)
    actions = apply(params, features)
    assert actions.shape == (2, 8, 7)
    changed = apply(params, features.at[1, 3].set(jnp.arange(12.0)))
    differs = np.abs(changed - actions).max(axis=-1) > 1e-6
    assert differs.sum() == 1
    assert differs[1, 3]
