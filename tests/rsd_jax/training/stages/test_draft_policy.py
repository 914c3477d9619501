"""The draft policy's stage, as preflight's miniature run has trained it."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.backbones.choice import BACKBONES
from rsd_jax.backbones.interface import Memory, PolicyInputs
from rsd_jax.checkpoints.manifest import read_manifest, write_manifest
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models import load_draft_policy, load_policy, load_tokenizer
from rsd_jax.stored_models.policy import ConventionMismatchError, PolicyMismatchError
from rsd_jax.training.look_rows import with_looks
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.stages import settings_of
from tests.rsd_jax.backbones.average_colours import AverageColours


@pytest.fixture(scope="module")
def settings():
    _, config = load_config("configs/draft_policy.py:tiny")
    return to_dataclass(settings_of("draft_policy"), config.model)


@pytest.fixture(scope="module")
def main(preflight_run):
    return load_policy(preflight_run)


@pytest.fixture(scope="module")
def acted(preflight_run, main):
    """What main and draft policy do on held-out frames, in the dataset's units."""
    draft = load_draft_policy(preflight_run, main)
    rows = policy_rows_of(preflight_run, main.backbone, main.heldout_every).heldout
    seen = PolicyInputs(*(np.asarray(rows[name]) for name in ("images", "proprio", "instruction_ids")))
    features = jax.jit(main.backbone.features)(main.variables.backbone, main.variables.proprio, seen)
    rows = with_looks(rows, np.asarray(features), 8, 2)

    @jax.jit
    def act(seen, features, age):
        drafted = draft.actions(draft.variables, seen._replace(memory=Memory(features, age)))
        return main.actions(main.variables, seen), drafted

    return tuple(np.asarray(actions) for actions in act(seen, rows["look_features"], rows["look_age"]))


def test_held_out_distances_are_those_between_the_two_policies(preflight_run, main, acted):
    metrics = json.loads((preflight_run / "draft_policy" / "metrics.json").read_text())
    actions, drafted = acted
    error = np.abs((drafted - actions) / np.asarray(main.variables.action.half_range))
    distance = error[..., :6].max(axis=(1, 2))
    assert metrics["heldout_distance"] == pytest.approx(distance.mean(), abs=1e-5)
    assert metrics["heldout_l1"] == pytest.approx(error.mean(), abs=1e-5)
    assert metrics["heldout_gripper_equal"] == pytest.approx((error[..., 6] == 0).all(axis=1).mean())
    for limit in (0.05, 0.1, 0.2):
        assert metrics[f"heldout_share_within_{limit}"] == pytest.approx((distance <= limit).mean(), abs=0.02)
    assert metrics["heldout_chunks"] == len(distance)
    tokenizer = load_tokenizer(preflight_run)
    tokens, expected = (np.asarray(tokenizer.tokenize(each)) for each in (drafted, actions))
    by_layer = [
        (tokens == expected)[..., layer][..., counts].mean() if counts.any() else None
        for layer, counts in enumerate(np.asarray(tokenizer.informative))
    ]
    assert metrics["heldout_token_agreement_by_layer"] == pytest.approx(by_layer, abs=0.01)


@dataclasses.dataclass(frozen=True)
class Larger(AverageColours):
    observation_needs = ObservationNeeds(224, ("agentview",), 8)


def test_a_backbone_that_sees_otherwise_or_acts_in_other_chunks_is_refused(preflight_run, settings, monkeypatch):
    shorter = dataclasses.replace(settings, backbone={**settings.backbone, "chunk_length": 4})
    further = dataclasses.replace(settings, backbone={**settings.backbone, "chunks": 2})
    for changed, found in ((shorter, "4, 1"), (further, "8, 2")):
        with pytest.raises(ValueError, match=rf"model.backbone has .*, {found}\); beside the policy .*, 8, 1\)"):
            changed.build(preflight_run)
    monkeypatch.setitem(BACKBONES, "larger", Larger)
    larger = dataclasses.replace(settings, backbone={"kind": "larger"}, oldest_look=0)
    with pytest.raises(ValueError, match=r"model.backbone has .*image_size=224.* must be .*image_size=128"):
        larger.build(preflight_run)


def test_without_memory_rows_hold_the_present_frame_alone(preflight_run, settings):
    stage = dataclasses.replace(settings, oldest_look=0).build(preflight_run)
    assert set(stage.rows) == {"images", "proprio", "instruction_ids"}
    assert stage.objective.network.backbone.memory_steps == 0
    stage = settings.build(preflight_run)
    assert set(stage.rows) == {"images", "proprio", "instruction_ids", "look_features", "look_age"}
    backbone = stage.objective.network.backbone
    # Two chunks of the miniature policy's 16 features a step.
    assert (backbone.memory_steps, backbone.memory_width, backbone.oldest_memory) == (16, 16, 2)


def test_the_checkpoint_belongs_to_the_policy_that_it_learned_from(preflight_run, main, tmp_path):
    shutil.copytree(preflight_run / "draft_policy" / "best", tmp_path / "draft_policy" / "best")
    (folder,) = (tmp_path / "draft_policy" / "best").iterdir()
    content = read_manifest(folder)
    assert content["facts"]["main_hash"] == main.params_hash
    assert content["facts"]["labels"] == "policy"
    write_manifest(folder, content | {"facts": content["facts"] | {"main_hash": "abc"}})
    with pytest.raises(PolicyMismatchError, match=r"learned from policy abc, but .*configs/draft_policy.py"):
        load_draft_policy(tmp_path, main)
    conventions = content["facts"]["conventions"] | {"control_rate": 10.0}
    write_manifest(folder, content | {"facts": content["facts"] | {"conventions": conventions}})
    with pytest.raises(ConventionMismatchError, match=r"'control_rate': 10.0"):
        load_draft_policy(tmp_path, main)
