"""Logits of digits, and the thresholds that stand in for them where only the most likely digit is asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.heads.digit_logits import DigitLogits, most_likely_by
from rsd_jax.heads.layer_choice import SameLayers
from rsd_jax.most_likely import most_likely
from rsd_jax.rfsq.strategies import Nested, Staggered


@pytest.mark.parametrize("prior", [0.0, 1.0, 30.0], ids=["no_prior", "prior", "prior_that_hides_levels"])
@pytest.mark.parametrize("strategy", [Nested(), Staggered()], ids=["nested", "staggered"])
def test_thresholds_tell_the_most_likely_level(strategy, prior) -> None:
    table = strategy.fixed_table()
    latents, layers, levels = strategy.latent_dim, table.num_layers, table.num_levels
    model = DigitLogits(latents, layers, levels)
    keys = jax.random.split(jax.random.key(1), 4)
    params = {
        "log_spread": jax.random.uniform(keys[0], (latents,), minval=-6.0),
        "log_factor": jax.random.normal(keys[1], (latents, layers)),
        "prior": prior * jax.random.normal(keys[2], (latents, layers, levels)),
    }
    coordinates = jax.random.uniform(keys[3], (64, 8, latents, layers), minval=-5.0, maxval=5.0)

    @jax.jit
    def both(coordinates):
        logits = model.apply({"params": params}, coordinates, SameLayers(0, layers, layers), table)
        thresholds = model.apply({"params": params}, table, method="thresholds")
        by_layer = [
            most_likely_by(thresholds[:, layer], coordinates[..., layer], table.mode[layer]) for layer in range(layers)
        ]
        return logits, jnp.stack(by_layer, axis=-1), thresholds

    logits, found, thresholds = both(coordinates)
    best = np.sort(np.asarray(logits), axis=-1)
    is_near_tie = best[..., -1] - best[..., -2] < 1e-4 * np.maximum(1.0, np.abs(best[..., -1]))
    assert is_near_tie.mean() < 0.05
    np.testing.assert_array_equal(np.where(is_near_tie, 0, found), np.where(is_near_tie, 0, most_likely(logits)))
    assert not np.isnan(np.asarray(thresholds)).any()
    assert len(np.unique(found)) == levels
