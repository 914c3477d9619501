"""A draft policy and its confidence beside a main policy with other frames: taught by its stored features alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.decoding.skip_rules import draft_distance
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models import load_tokenizer
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy, policy_variables
from rsd_jax.training import taught_rows
from rsd_jax.training.feature_rows import HeadRows, SplitHeadRows
from rsd_jax.training.objectives.interface import Variables
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.stages import confidence, draft_policy, settings_of
from tests.rsd_jax.demos.demo_examples import example_demo
from tests.rsd_jax.random_params import initialised
from tests.rsd_jax.training.openvla_runs import SMALL
from tests.rsd_jax.training.test_large_frames import write_run

COMPLETE = [0, 1, 9, 10]
"""Of two episodes of nine steps, those with a whole chunk of eight before them."""


@pytest.fixture(scope="module")
def main():
    """OpenVLA without the parameters of its backbone, so that nobody can ask it."""
    network = PolicyNetwork(OpenVlaBackbone(SMALL), ResidualRegressionConfig(7, hidden_features=8, blocks=1))
    head = initialised(network.teacher.init, 0, jnp.zeros((1, 8, network.backbone.width)))["params"]
    normalizer = ActionNormalizer(jnp.zeros(7), jnp.array([0.5, 1, 1, 1, 1, 1, 1]), is_bounded=False)
    variables = PolicyVariables({}, head, ProprioNormalizer(jnp.zeros(8), jnp.ones(8)), normalizer)
    backbone = replace(network.backbone, tokenizer_file="nobody reads it")
    return StoredPolicy(replace(network, backbone=backbone), variables, "0" * 64, heldout_every=2)


@pytest.fixture(scope="module")
def features():
    """Of the complete chunks of the training's and of the held-out episodes."""
    random = np.random.default_rng(0).normal(size=(2, 4, 8, OpenVlaBackbone(SMALL).width)).astype(jnp.bfloat16)
    return SplitHeadRows(*(HeadRows(part, np.zeros((4, 8, 7), np.float32)) for part in random))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Four episodes of frames as rendered, every second held out."""
    noise = np.random.default_rng(1).integers(0, 256, (4, 9, 256, 256, 3), np.uint8)
    demos = [replace(example_demo(seed, steps=9), agentview=view, wrist=view[::-1]) for seed, view in enumerate(noise)]
    return write_run(tmp_path_factory.mktemp("run"), demos)


@pytest.fixture(autouse=True)
def of_the_run(monkeypatch, main, features):
    monkeypatch.setattr(taught_rows, "stored_head_rows", lambda run_dir, policy: features)
    for module in (draft_policy, confidence):
        monkeypatch.setattr(module, "load_policy", lambda run_dir, with_backbone: main)
        monkeypatch.setattr(module, "load_tokenizer", lambda run_dir: load_tokenizer(PRETRAINED))


def settings(stage, **changed):
    _, config = load_config(f"configs/{stage}.py:tiny")
    return replace(to_dataclass(settings_of(stage), config.model), **changed)


def taught(**changed):
    return settings("draft_policy", **{"taught_on": "frames", "oldest_look": 0, **changed})


@pytest.fixture(scope="module")
def acted(main, features):
    """What the main policy does at the held-out rows, in the dataset's units."""
    return jax.jit(main.teacher_actions)(main.variables, features.heldout.features.astype(np.float32))


@pytest.fixture
def stage(run_dir):
    return taught().build(run_dir)


@pytest.fixture
def draft(stage, main):
    """A stored draft policy as it was drawn."""
    network = stage.objective.network
    params = initialised(network.init, 1)
    variables = policy_variables(params, main.variables)
    return params, replace(main, network=network, variables=variables)


def test_rows_are_halved_frames_and_what_the_stored_features_say(stage, main, features, run_dir):
    backbone = stage.objective.network.backbone
    rows = policy_rows_of(run_dir, backbone, 2).train
    assert set(stage.rows) == {"images", "proprio", "instruction_ids", "acted"}
    assert stage.rows["images"].shape == (4, 2, 128, 128, 3)
    for name in ("images", "proprio", "instruction_ids"):
        np.testing.assert_array_equal(stage.rows[name], rows[name][COMPLETE])
    labels = jax.jit(main.teacher.apply)({"params": main.variables.head}, features.train.features.astype(np.float32))
    np.testing.assert_allclose(stage.rows["acted"][..., :6], labels[..., :6], atol=1e-5)
    np.testing.assert_array_equal(stage.rows["acted"][..., 6], np.where(labels[..., 6] >= 0, 1, -1))
    assert stage.frozen.main == {}
    assert stage.metadata["main_hash"] == main.params_hash


def test_it_is_judged_by_the_same_actions(stage, draft, acted, main):
    params, policy = draft
    found = stage.evaluate(Variables(params, {}))
    drafted = jax.jit(policy.actions)(policy.variables, draft_policy.draft_inputs(stage.evaluate._rows))
    error = np.abs(np.asarray(drafted - acted) / np.asarray(main.variables.action.half_range))
    assert found["heldout_chunks"] == 4
    assert found["heldout_l1"] == pytest.approx(error.mean(), rel=1e-5)
    assert found["heldout_distance"] == pytest.approx(error[..., :6].max(axis=(1, 2)).mean(), rel=1e-5)


def test_confidence_learns_the_distance_from_the_same_actions(run_dir, draft, acted, main, monkeypatch):
    _, policy = draft
    monkeypatch.setattr(confidence, "load_draft_policy", lambda run_dir, main: policy)
    stage = settings("confidence", judged_every=2, views=2).build(run_dir)
    rows = policy_rows_of(run_dir, policy.backbone, 2).heldout
    seen = {name: rows[name][COMPLETE] for name in ("images", "proprio", "instruction_ids")}
    drafted = jax.jit(policy.actions)(policy.variables, draft_policy.draft_inputs(seen))
    normalize = main.variables.action.normalize
    distance = draft_distance(normalize(drafted), normalize(acted))
    # The second of the two held-out episodes is judged; of the first both views are learned from.
    np.testing.assert_allclose(stage.evaluate._rows.distance, distance[2:], rtol=1e-5)
    np.testing.assert_allclose(stage.rows["distance"][:2], distance[:2], rtol=1e-5)
    assert len(stage.rows["distance"]) == 4


def test_what_could_not_stand_in_for_the_main_policy_is_refused(run_dir):
    with pytest.raises(ValueError, match=r"model\.taught_on is 'frame'; it must be one of views, frames"):
        taught(taught_on="frame")
    with pytest.raises(ValueError, match=r"model\.oldest_look is 2; with model.taught_on=frames it must be 0"):
        taught(oldest_look=2)
    shorter = taught(backbone={**taught().backbone, "chunk_length": 4})
    with pytest.raises(ValueError, match=r"model.backbone has .*\('agentview', 'wrist'\), 8, 4, 1\); .* 8, 8, 1\)"):
        shorter.build(run_dir)
