"""Policies that learn otherwise become a run's policy, with which everything behind goes on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from launch.config_flags import load_config
from rsd_jax.backbones.choice import BACKBONES
from rsd_jax.content_check import read_checked_json
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.heads.main_head import MainHeadConfig
from rsd_jax.heads.two_step_head import TwoStepConfig
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import METRICS_NAME
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.head_facts import HeadFacts
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.stages import build_stage, settings_of
from rsd_jax.training.stages.head_rows import load_head_data
from rsd_jax.training.stages.main_head import main_head_stage
from rsd_jax.training.stages.token_learning import score_digits
from rsd_jax.training.train_loop import train
from tests.rsd_jax.backbones.average_colours import AverageColours

SMALL = {"kind": "average_colours", "chunk_length": 8}
TRAINING = TrainingConfig(steps=1, batch_size=2, learning_rate=1e-3)


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


def trained(stage, run_dir):
    train(stage, TRAINING, run_dir / stage.name, make_mesh(MeshConfig()))
    return read_checked_json(run_dir / stage.name / METRICS_NAME)


def test_a_token_policys_main_head_is_taken_over_as_it_is(run_dir):
    stage = build_stage("policy", settings("policy", backbone=SMALL, learns="tokens"), run_dir)
    metrics = trained(stage, run_dir)
    assert {"heldout_cross_entropy", "heldout_digit_accuracy", "heldout_l1"} <= set(metrics)

    policy, of_policy = load_policy(run_dir), settings("main_head", of_policy=True, labels="demonstrations")
    assert policy.network.main is not None
    main = build_stage("main_head", of_policy, run_dir)
    assert HeadFacts.from_json(main.metadata, MainHeadConfig).model == policy.network.main
    taken = nn.unbox(jax.jit(main.objective.init)(jax.random.key(0)).params)
    jax.tree.map(np.testing.assert_array_equal, taken, policy.main)

    params = {"backbone": policy.variables.backbone, "main_head": policy.main}
    rows = {name: jnp.asarray(array[:2]) for name, array in (*stage.rows.items(), ("foreseeable", stage.rows["mask"]))}
    rows["mask"] = rows["mask"].at[1].set(False).at[0].set(True).at[0, 3:].set(False)
    scores = jax.jit(lambda: score_digits(stage.objective, params, rows, stage.frozen))()
    assert scores.digits.tolist() == [3 * int(stage.frozen.informative.sum()), 0]
    assert scores.cross_entropy[1] == scores.right[1] == 0


def test_a_policy_without_a_main_head_has_none_to_take_over(preflight_run):
    with pytest.raises(ValueError, match=r"model\.of_policy=True asks for .* train that with model\.learns=tokens"):
        main_head_stage(settings("main_head", of_policy=True), load_head_data(preflight_run))


def test_a_two_step_policy_acts_by_both_steps(run_dir):
    stage = build_stage("policy", settings("policy", backbone=SMALL, learns="two_steps"), run_dir)
    trained(stage, run_dir)
    policy = load_policy(run_dir)
    assert policy.network.head == TwoStepConfig(chunk_length=8, width=16)
    features = jnp.ones((1, 8, 4))
    both = policy.teacher.apply({"params": policy.variables.head}, features)
    np.testing.assert_allclose(
        policy.teacher_actions(policy.variables, features), policy.variables.action.denormalize(both), rtol=1e-6
    )


def test_what_nothing_learns_is_refused():
    with pytest.raises(ValueError, match=r"model\.learns is 'words'; it must be one of actions, two_steps, tokens"):
        settings("policy", learns="words")
