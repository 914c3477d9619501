import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.heads.regression_head import RegressionConfig, RegressionHead
from rsd_jax.rfsq import MlpAutoencoder, RfsqTokenizer, make_table
from rsd_jax.training.objectives.digit_prediction import DigitPrediction, DraftTask, FrozenPolicy, MainTask
from rsd_jax.training.objectives.interface import Variables
from tests.rsd_jax.random_params import initialised

LAYERS, LATENTS, LEVELS, CHUNK, FEATURES = 3, 4, 7, 2, 6
CODE = {"num_layers": LAYERS, "latent_dim": LATENTS, "num_levels": LEVELS, "width": 8, "depth": 1}
TASKS = {
    "draft": DraftTask(DraftModel(DraftConfig(**CODE, draft_layers=2))),
    "main": MainTask(MainHead(MainHeadConfig(**CODE, column_features=4))),
}


@pytest.fixture(scope="module")
def frozen() -> FrozenPolicy:
    autoencoder = MlpAutoencoder(hidden_features=8, latent_dim=LATENTS)
    params = initialised(autoencoder.init, 0)
    step = 0.3 * 0.4 ** jnp.arange(3.0)[:, None] * jnp.ones((LAYERS, LATENTS))
    normalizer = ActionNormalizer(jnp.zeros(7), jnp.ones(7))
    tokenizer = RfsqTokenizer(params, make_table(0 * step, step, LEVELS), normalizer, autoencoder, CHUNK)
    teacher = initialised(RegressionHead(RegressionConfig()).init, 1, jnp.zeros((1, CHUNK, FEATURES)))["params"]
    return FrozenPolicy(tokenizer, tokenizer.informative, teacher, jnp.ones(FEATURES))


@pytest.fixture(scope="module")
def batch() -> dict[str, jax.Array]:
    features, actions = (jax.random.normal(jax.random.key(k), (4, CHUNK, n)) for k, n in ((2, FEATURES), (3, 7)))
    return {"features": features, "actions": jnp.clip(actions, -1, 1)}


def objective(task: str, **changes) -> DigitPrediction:
    given = DigitPrediction(TASKS[task], RegressionHead(RegressionConfig()), CHUNK, FEATURES, feature_noise=0.1)
    return dataclasses.replace(given, **changes)


@pytest.mark.parametrize("task", TASKS)
def test_digits_teach_the_confidence_and_latents_the_estimate(task, frozen, batch):
    variables = initialised(objective(task).init, 4)

    @jax.jit  # one program for both weights
    @jax.grad
    def gradient(params, weight):
        given = objective(task, digit_weight=weight)
        return given.loss(Variables(params, {}), frozen, batch, jax.random.key(5)).loss

    with_digits, without = (gradient(variables.params, weight) for weight in (1.0, 0.0))
    jax.tree.map(np.testing.assert_allclose, with_digits["estimator"], without["estimator"])
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(without["estimator"]))
    assert all(bool(jnp.all(leaf == 0)) for leaf in jax.tree.leaves(without["digit_logits"]))
    assert all(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(with_digits["digit_logits"]))


def test_labels_are_the_teachers_at_the_noisy_features_or_the_demonstrated(frozen, batch):
    noisy = batch["features"] + 1.0
    taught = objective("main").label_actions(frozen, noisy, batch["actions"])
    clean = objective("main").label_actions(frozen, batch["features"], batch["actions"])
    assert bool(jnp.any(taught != clean))
    shown = objective("main", labels="demonstrations").label_actions(frozen, noisy, batch["actions"])
    np.testing.assert_array_equal(shown, batch["actions"])


def test_unknown_labels_are_refused():
    with pytest.raises(ValueError, match="labels is 'students'; it must be one of teacher, demonstrations"):
        objective("main", labels="students")
