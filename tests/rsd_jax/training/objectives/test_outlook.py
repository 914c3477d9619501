"""Behaviour cloning of a backbone that looks further than the chunk that is acted on."""

from functools import partial

import jax
import numpy as np
import pytest

from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants
from rsd_jax.training.objectives.interface import Variables
from tests.rsd_jax.training.objectives.transparent_network import (
    NORMALIZER,
    STEPS,
    UNCHANGED,
    WORDS,
    batch_of,
    colour,
    network,
    params_of,
)


@partial(jax.jit, static_argnums=(0, 1))
def compiled_loss(chunks, weight, params, batch):
    objective = BehaviourCloning(network(chunks), UNCHANGED, outlook_weight=weight)
    return objective.loss(Variables(params, {}), PolicyConstants(NORMALIZER, WORDS), batch, jax.random.key(0))


def loss(errors, mask, chunks=3, weight=0.25):
    """Of one row whose steps are each off by one of `errors`, in every dimension."""
    actions = np.tile(np.array(errors, np.float32)[:, None] + colour(128), (1, 1, 7))
    batch = batch_of([128]) | {"actions": actions.astype(np.float32), "mask": np.array([mask])}
    return compiled_loss(chunks, weight, params_of(np.zeros((chunks * STEPS, 7))), batch)


def test_the_first_chunk_counts_wholly_and_what_comes_behind_it_by_its_weight():
    found = loss([0.1, 0.3, 1.0, 2.0, 3.0, 4.0], [True] * 6)
    assert float(found.metrics["loss/l1"]) == pytest.approx(0.2, rel=1e-5)
    assert float(found.metrics["l1/outlook"]) == pytest.approx(2.5, rel=1e-5)
    assert float(found.loss) == pytest.approx(0.2 + 0.25 * 2.5, rel=1e-5)


def test_each_part_is_the_mean_over_its_own_steps_before_the_episodes_end():
    found = loss([0.1, 0.3, 1.0, 9.0, 9.0, 9.0], [True] * 3 + [False] * 3)
    assert float(found.loss) == pytest.approx(0.2 + 0.25 * 1.0, rel=1e-5)
    found = loss([0.1, 9.0, 9.0, 9.0, 9.0, 9.0], [True] + [False] * 5)
    assert float(found.loss) == pytest.approx(0.1, rel=1e-5)


def test_without_an_outlook_nothing_is_told_of_one():
    found = loss([0.1, 0.3], [True] * 2, chunks=1)
    assert float(found.loss) == pytest.approx(0.2, rel=1e-5)
    assert "l1/outlook" not in found.metrics
