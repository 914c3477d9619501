"""What the confidence head is asked to tell."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.training.objectives.distance_prediction import DistanceConstants, DistancePrediction, log_distance
from rsd_jax.training.objectives.interface import Variables

KEY, ROWS = jax.random.key(0), 4000


class FirstFeature(NamedTuple):
    """A head that tells the first step's feature `which`."""

    which: int

    def apply(self, variables, features, drafted):
        return features[:, 0, self.which]


def loss(which, told, distance, scale, noise):
    batch = {
        "features": np.tile(np.array(told, np.float32)[:, None, None], (1, 2, 3)),
        "drafted": np.zeros((len(told), 2, 7), np.float32),
    }
    batch["distance"] = distance
    objective, frozen = DistancePrediction(FirstFeature(which), 2, 3, 7, noise), DistanceConstants(np.array(scale))
    return jax.jit(lambda batch: objective.loss(Variables({}, {}), frozen, batch, KEY))(batch)


def test_a_distance_below_what_any_rule_tells_apart_is_no_smaller_than_that():
    found = log_distance(jnp.array([0.0, 1e-9, 1e-3, 0.1, 2.0]))
    np.testing.assert_allclose(found, np.log([1e-3, 1e-3, 1e-3, 0.1, 2.0]), rtol=1e-6)


def test_the_loss_is_the_mean_absolute_difference_of_logarithms():
    found = loss(0, [math.log(0.2), 0.0], np.array([0.1, 2.0]), [1.0, 1.0, 1.0], 0.0)
    assert float(found.loss) == pytest.approx((math.log(2) + math.log(2)) / 2, rel=1e-6)
    assert found.metrics["loss/log_distance"] == found.loss


def test_noise_on_a_feature_is_relative_to_its_own_spread():
    """Of a normal with deviation s the mean absolute value is s sqrt(2 / pi)."""
    scale = [0.5, 0.0, 10.0]
    for which in range(3):
        found = loss(which, np.zeros(ROWS), np.ones(ROWS), scale, 0.1)
        assert float(found.loss) == pytest.approx(0.1 * scale[which] * math.sqrt(2 / math.pi), rel=0.1)
