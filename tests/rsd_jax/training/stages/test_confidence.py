"""The confidence stage: what it measures, learns from and is judged on."""

import dataclasses
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models import load_confidence, load_draft_policy, load_policy
from rsd_jax.stored_models.policy import PolicyMismatchError, PolicyVariables
from rsd_jax.training.policy_rows import policy_rows_of
from rsd_jax.training.stages import confidence, settings_of
from rsd_jax.training.stages.confidence import DistanceRows, skipped_at_risk


@pytest.mark.parametrize(
    ("score", "is_far", "risk", "share"),
    [
        ([1, 2, 3, 4], [0, 0, 0, 1], 0.0, 3 / 4),
        ([1, 2, 3, 4], [0, 0, 0, 1], 0.25, 1),
        ([4, 3, 2, 1], [0, 0, 1, 0], 0.0, 1 / 4),  # the second most confident is far
        ([1, 2, 3, 4], [1, 0, 0, 0], 0.2, 0),  # the most confident is, and nothing may act
        ([1, 2, 2, 2], [0, 0, 0, 1], 0.0, 1 / 4),  # no threshold tells the last three apart
        ([1, 2, 2, 3], [0, 1, 0, 0], 0.25, 1),
        ([5, 5], [0, 1], 0.0, 0),
    ],
)
def test_the_share_that_may_act_by_hand(score, is_far, risk, share):
    assert skipped_at_risk(np.array(score, float), np.array(is_far, bool), risk) == share


@pytest.fixture(scope="module")
def settings():
    _, config = load_config("configs/confidence.py:tiny")
    return to_dataclass(settings_of("confidence"), config.model)


@pytest.fixture(scope="module")
def heldout(preflight_run):
    main = load_policy(preflight_run)
    return policy_rows_of(preflight_run, main.backbone, main.heldout_every).heldout


def test_it_learns_from_other_held_out_episodes_than_it_is_judged_on(preflight_run, settings, heldout, monkeypatch):
    """In place of features and distances rows tell who they are."""
    monkeypatch.setattr(
        confidence,
        "_measure",
        lambda main, draft, change: (
            lambda rows, key: DistanceRows(
                rows["proprio"][:, None], rows["actions"][:, :8], rows["look_age"] + (0.5 if change else 0.0)
            )
        ),
    )
    stage = dataclasses.replace(settings, judged_every=3, views=2).build(preflight_run)
    ends = np.flatnonzero(~heldout["mask"][:, 1])
    assert len(ends) == 5
    judged = heldout["proprio"][ends[1] + 1 : ends[2] + 1]  # the third of the five episodes
    learnt = np.concatenate([heldout["proprio"][: ends[1] + 1], heldout["proprio"][ends[2] + 1 :]])
    np.testing.assert_array_equal(stage.rows["features"][:, 0], np.concatenate([learnt] * 2))
    np.testing.assert_array_equal(stage.evaluate._rows.features[:, 0], judged)
    # Each frame is seen after two looks, drawn apart, the second time changed; what is judged is seen as it is.
    first, second = np.split(stage.rows["distance"], 2)
    assert (first != second - 0.5).any()
    assert (first.max(), first.min()) == (2, 0)
    assert set(second) == {0.5, 1.5, 2.5}
    assert set(stage.evaluate._rows.distance) == {0, 1, 2}


def test_too_few_episodes_to_judge_on_are_named(preflight_run, settings):
    for every in (1, 6):
        with pytest.raises(ValueError, match=rf"model.judged_every is {every}, and there are 5 held-out episodes"):
            dataclasses.replace(settings, judged_every=every).build(preflight_run)
    with pytest.raises(ValueError, match=r"model.views is 0; it must be at least 1"):
        dataclasses.replace(settings, views=0)


class Transparent(NamedTuple):
    """A policy whose features are what it sees and remembers, and whose actions are its features."""

    variables: PolicyVariables

    def features(self, variables, inputs):
        remembered = inputs.memory.features[:, 0] * inputs.memory.age[:, None] if inputs.memory else 0
        return (inputs.proprio + remembered)[:, None, :7]

    def teacher_actions(self, variables, features):
        return features

    @property
    def backbone(self):
        return TransparentBackbone()


class TransparentBackbone(NamedTuple):
    """What it sees in a changed view is the state with noise, at all of its steps."""

    chunk_length: int = 1

    def augmented_features(self, augmentation, params, proprio, inputs, key):
        noise = augmentation.proprio_noise * jax.random.normal(key, inputs.proprio.shape)
        seen = Transparent(None).features(None, inputs._replace(proprio=inputs.proprio + noise))
        return jnp.repeat(seen, 2, axis=1)


def test_a_distance_is_that_of_the_two_policies_chunks_in_half_ranges(monkeypatch):
    """More rows than a batch; the draft adds what it remembers, times its age, to the same frame's actions."""
    monkeypatch.setattr(confidence, "BATCH", 2)
    normalizer = ActionNormalizer(jnp.zeros(7), jnp.array([1.0, 0.5, 1, 1, 1, 1, 1]))
    policy = Transparent(PolicyVariables({}, {}, {}, normalizer))
    look = np.zeros((3, 8), np.float32)
    look[0, 0], look[1, 1], look[2, 6] = 0.3, 0.3, -1.0
    frames = np.zeros((3, 2, 1, 1, 3), np.uint8)
    rows = {
        **{"images": frames, "proprio": np.full((3, 8), 0.1, np.float32), "look_features": look[:, None]},
        **{"instruction_ids": np.ones((3, 1), np.int32), "look_age": np.array([1, 2, 1], np.int32)},
        **{"mask": np.ones((3, 1), bool), "actions": np.zeros((3, 1, 7)), "foreseeable": np.ones((3, 1), bool)},
    }
    key = jax.random.key(0)
    found = confidence._measure(policy, policy, None)(rows, key)
    np.testing.assert_allclose(found.distance, [0.3, 2 * 0.3 / 0.5, 2.0], rtol=1e-5)
    np.testing.assert_allclose(found.drafted * [1, 0.5, 1, 1, 1, 1, 1], found.features, rtol=1e-5)
    np.testing.assert_allclose(found.features[:, 0], (0.1 + look * rows["look_age"][:, None])[:, :7], rtol=1e-5)
    without = {name: array for name, array in rows.items() if not name.startswith("look_")}
    np.testing.assert_array_equal(confidence._measure(policy, policy, None)(without, key).distance, 0)
    # In a changed view both see the same change, and act in the first of their steps.
    changed = confidence._measure(policy, policy, AugmentationConfig(proprio_noise=5.0))(rows, key)
    np.testing.assert_allclose(changed.distance[:2], found.distance[:2], rtol=1e-5)
    assert np.abs(changed.features - found.features).min() > 1e-3
    assert changed.features.shape == found.features.shape


def test_what_is_reported(preflight_run):
    metrics = json.loads((preflight_run / "confidence" / "metrics.json").read_text())
    for name in ("heldout_skipped", "heldout_skipped_oracle", "heldout_near"):
        assert 0 <= metrics[name] <= 1
    assert metrics["heldout_skipped"] <= metrics["heldout_skipped_oracle"]
    assert metrics["heldout_error"] >= 0


def test_a_head_of_another_draft_policy_is_refused(preflight_run):
    draft = load_draft_policy(preflight_run, load_policy(preflight_run))
    assert load_confidence(preflight_run, draft).model.config.width == 8
    other = dataclasses.replace(draft, params_hash="0" * 64)
    with pytest.raises(PolicyMismatchError, match=r"features of draft policy .* run's is 000.*configs/confidence.py"):
        load_confidence(preflight_run, other)
