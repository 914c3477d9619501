import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.backbones.choice import BACKBONES
from rsd_jax.checkpoints import StageCheckpoints, load_stage, stage_checkpoints
from rsd_jax.checkpoints.manifest import read_manifest, write_manifest
from rsd_jax.checkpoints.params_hash import hash_params
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.pretrained import PRETRAINED
from rsd_jax.registry import to_dataclass
from rsd_jax.run_folder import TRAINED_STAGES
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.policy import ConventionMismatchError, PolicyMismatchError
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.configuration import TrainingConfig
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.stages import build_stage, settings_of
from rsd_jax.training.train_loop import train
from tests.rsd_jax.backbones.average_colours import LETTERS, AverageColours


@pytest.fixture
def copy(preflight_run, tmp_path):
    """A run folder with a policy of its own, and its manifest."""
    shutil.copytree(preflight_run / "policy", tmp_path / "policy")
    (manifest,) = (tmp_path / "policy" / "best").glob("*/metadata.json")
    return tmp_path, manifest


def change(manifest, edit):
    content = read_manifest(manifest.parent)
    edit(content)
    write_manifest(manifest.parent, content)


def stored_facts(run_dir):
    metadata = StageCheckpoints(run_dir / "policy").read_metadata("best")
    assert metadata is not None
    return metadata.facts


def test_facts_are_read_and_written_as_they_are_stored(preflight_run):
    for content in (stored_facts(PRETRAINED), stored_facts(preflight_run)):
        written = PolicyFacts.from_json(content).to_json()
        assert json.dumps(written) == json.dumps(content)


def test_facts_of_an_earlier_version_are_read():
    content = stored_facts(PRETRAINED)
    for later in ("tokenizer_hash", "rewordings", "compute_dtype", "labels", "augmentation"):
        del content[later]
    facts = PolicyFacts.from_json(content)
    assert (facts.tokenizer_hash, facts.labels) == (None, None)


def test_saved_hashes_are_those_of_what_is_loaded(preflight_run):
    for name in TRAINED_STAGES:
        stage = load_stage(preflight_run, name)
        assert stage.saved_hash == hash_params(stage.variables["params"]), name


def test_a_policy_is_hashed_only_where_that_was_not_done_when_it_was_saved(copy, monkeypatch):
    run_dir, manifest = copy
    hashed = []
    monkeypatch.setattr(stage_checkpoints, "hash_params", lambda params: hashed.append(1) or hash_params(params))
    saved = load_policy(run_dir).params_hash
    assert hashed == []
    change(manifest, lambda content: content.pop("params_hash"))
    assert load_policy(run_dir).params_hash == saved
    assert hashed == [1]


def test_a_policy_of_other_conventions_or_of_an_unknown_network_is_refused(copy):
    run_dir, manifest = copy
    change(manifest, lambda content: content["facts"].pop("heldout_every"))
    with pytest.raises(
        PolicyMismatchError, match=r"does not know \(KeyError\('heldout_every'\)\); .*move its folder away"
    ):
        load_policy(run_dir)
    change(manifest, lambda content: content["facts"]["backbone"].update(kind="unheard_of"))
    with pytest.raises(PolicyMismatchError, match=r"'unheard_of'; it must be one of compact.*configs/policy.py"):
        load_policy(run_dir)
    change(manifest, lambda content: content["facts"]["conventions"].update(control_rate=10.0))
    with pytest.raises(ConventionMismatchError, match=r"'control_rate': 10.0.*follow .*'control_rate': 20.0"):
        load_policy(run_dir)


def test_a_backbone_that_needs_what_demonstrations_do_not_hold_is_refused(preflight_run, tmp_path, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Larger(AverageColours):
        observation_needs = ObservationNeeds(224, ("agentview",), 8)

    monkeypatch.setitem(BACKBONES, "larger", Larger)
    for name in ("rfsq", "demos"):
        (tmp_path / name).symlink_to(preflight_run / name)
    settings = to_dataclass(settings_of("policy"), load_config("configs/policy.py:tiny")[1].model)
    settings = dataclasses.replace(settings, backbone={"kind": "larger"})
    with pytest.raises(ValueError, match=r"needs .*image_size=224.*demonstrations hold .*image_size=128"):
        build_stage("policy", settings, tmp_path)


def test_another_backbone_trains_is_stored_and_comes_back(preflight_run, tmp_path, monkeypatch):
    monkeypatch.setitem(BACKBONES, "average_colours", AverageColours)
    for name in ("rfsq", "demos"):
        (tmp_path / name).symlink_to(preflight_run / name)
    settings = to_dataclass(settings_of("policy"), load_config("configs/policy.py:tiny")[1].model)
    settings = dataclasses.replace(settings, backbone={"kind": "average_colours", "width": 6})
    stage = build_stage("policy", settings, tmp_path)
    config = TrainingConfig(steps=1, batch_size=2, learning_rate=1e-3)
    trained = train(stage, config, tmp_path / "policy", make_mesh(MeshConfig()))

    policy = load_policy(tmp_path)
    assert policy.backbone == AverageColours(width=6)
    assert policy.observation_needs == AverageColours().observation_needs
    np.testing.assert_array_equal(policy.variables.backbone["mix"], trained.params["backbone"]["mix"])
    rows = {name: jnp.asarray(array[:3]) for name, array in stage.rows.items()}
    assert rows["instruction_ids"].shape == (3, LETTERS)
    assert jax.jit(policy.features)(policy.variables, policy_inputs(rows)).shape == (3, 8, 6)
