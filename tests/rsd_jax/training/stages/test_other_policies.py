"""Policies that learn otherwise become a run's policy, with which everything behind goes on."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.backbones.choice import BACKBONES
from rsd_jax.heads.main_head import MainHead, MainHeadConfig, draw_main_head
from rsd_jax.heads.two_step_head import TwoStepConfig
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models.head_facts import HeadFacts
from rsd_jax.stored_models.policy import stored_policy
from rsd_jax.training.objectives.interface import Variables
from rsd_jax.training.stages import build_stage, settings_of
from rsd_jax.training.stages.head_rows import load_head_data
from rsd_jax.training.stages.head_stage import code_sizes
from rsd_jax.training.stages.main_head import main_head_stage
from rsd_jax.training.stages.token_learning import score_digits
from tests.rsd_jax.backbones.average_colours import AverageColours
from tests.rsd_jax.random_params import initialised, random_params


@pytest.fixture
def run_dir(preflight_run, tmp_path, monkeypatch):
    """Tokenizer and demonstrations of the miniature run, and a backbone that costs nothing."""
    monkeypatch.setitem(BACKBONES, "average_colours", AverageColours)
    for name in ("rfsq", "demos"):
        (tmp_path / name).symlink_to(preflight_run / name)
    return tmp_path


def settings(stage, **changes):
    found = to_dataclass(settings_of(stage), load_config(f"configs/{stage}.py:tiny")[1].model)
    return dataclasses.replace(found, **changes)


def policy_stage(run_dir, learns):
    """The stage, random variables for it, and a batch of two rows."""
    stage = build_stage("policy", settings("policy", backbone={"kind": "average_colours"}, learns=learns), run_dir)
    params = random_params(lambda key: stage.objective.init(key).params, 0)
    return stage, params, {name: jnp.asarray(array[:2]) for name, array in stage.rows.items()}


def stored(stage, params, run_dir):
    """The policy as it comes back from a checkpoint, by way of JSON."""
    of_policy = SimpleNamespace(stage="policy")
    loaded = SimpleNamespace(variables={"params": params}, params_hash="0", metadata=of_policy, folder=None)
    return stored_policy(loaded, json.loads(json.dumps(stage.metadata)), run_dir)


def test_a_policy_of_tokens_is_judged_by_tokens_and_stored_with_its_main_head(run_dir):
    stage, params, batch = policy_stage(run_dir, "tokens")
    judged = stage.evaluate(Variables(params, {}))
    assert stage.best_metric == "heldout_cross_entropy"
    assert judged["heldout_cross_entropy"] > 0 < judged["heldout_l1"]
    assert 0 < judged["heldout_digit_accuracy"] < 1
    output = jax.eval_shape(stage.objective.loss, Variables(params, {}), stage.frozen, batch, jax.random.key(0))
    assert {"loss/cross_entropy", "loss/latent_l1", "loss/l1"} <= set(output.metrics)

    mask = jnp.zeros_like(batch["mask"]).at[0, :3].set(True)
    rows = {**batch, "mask": mask, "foreseeable": jnp.ones_like(mask)}
    scores = jax.jit(lambda: score_digits(stage.objective, params, rows, stage.frozen))()
    assert scores.digits.tolist() == [3 * int(stage.frozen.informative.sum()), 0]
    assert scores.cross_entropy[0] > scores.cross_entropy[1] == scores.right[1] == 0

    policy = stored(stage, params, run_dir)
    assert policy.network == stage.objective.network
    assert policy.main is params["main_head"]


def test_the_main_head_of_a_policy_is_taken_over_as_it_is(preflight_run):
    data, of_policy = load_head_data(preflight_run), settings("main_head", of_policy=True, labels="demonstrations")
    with pytest.raises(ValueError, match=r"model\.of_policy=True asks for .* train that with model\.learns=tokens"):
        main_head_stage(of_policy, data)
    config = MainHeadConfig(**code_sizes(data), width=8, depth=1, column_features=2)
    chunk_length, width = data.train.features.shape[1:]
    params = random_params(lambda key: draw_main_head(MainHead(config), key, chunk_length, width), 0)
    network = dataclasses.replace(data.policy.network, main=config)
    policy = dataclasses.replace(data.policy, network=network, main=params)
    stage = main_head_stage(of_policy, data._replace(policy=policy))
    assert HeadFacts.from_json(stage.metadata, MainHeadConfig).model == config
    jax.tree.map(np.testing.assert_array_equal, initialised(stage.objective.init, 0).params, params)


def test_a_policy_of_two_steps_acts_by_both(run_dir):
    stage, params, _ = policy_stage(run_dir, "two_steps")
    policy = stored(stage, params, run_dir)
    assert policy.network.head == TwoStepConfig(chunk_length=8, width=16)
    features = jnp.ones((1, 8, 4))
    both = policy.teacher.apply({"params": params["regression_head"]}, features)
    np.testing.assert_allclose(
        policy.teacher_actions(policy.variables, features), policy.variables.action.denormalize(both), rtol=1e-6
    )


def test_what_nothing_learns_is_refused():
    with pytest.raises(ValueError, match=r"model\.learns is 'words'; it must be one of actions, two_steps, tokens"):
        settings("policy", learns="words")
