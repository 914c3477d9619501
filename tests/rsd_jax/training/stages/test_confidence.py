"""The confidence stage: what it measures, learns from and is judged on."""

import dataclasses
import json

import numpy as np
import pytest

from launch.config_flags import load_config
from rsd_jax.registry import to_dataclass
from rsd_jax.stored_models import load_confidence, load_draft_policy, load_policy
from rsd_jax.stored_models.policy import PolicyMismatchError
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
        lambda main, draft, rows: DistanceRows(rows["proprio"][:, None], rows["look_age"].astype(np.float32)),
    )
    stage = dataclasses.replace(settings, judged_every=3, looks=2).build(preflight_run)
    ends = np.flatnonzero(~heldout["mask"][:, 1])
    assert len(ends) == 5
    judged = heldout["proprio"][ends[1] + 1 : ends[2] + 1]  # the third of the five episodes
    learnt = np.concatenate([heldout["proprio"][: ends[1] + 1], heldout["proprio"][ends[2] + 1 :]])
    np.testing.assert_array_equal(stage.rows["features"][:, 0], np.concatenate([learnt] * 2))
    np.testing.assert_array_equal(stage.evaluate._rows.features[:, 0], np.concatenate([judged] * 2))
    # Each frame is seen with two looks, drawn apart.
    first, second = np.split(stage.rows["distance"], 2)
    assert (first != second).any()
    assert (first.max(), first.min()) == (2, 0)


def test_too_few_episodes_to_judge_on_are_named(preflight_run, settings):
    for every in (1, 6):
        with pytest.raises(ValueError, match=rf"model.judged_every is {every}, and there are 5 held-out episodes"):
            dataclasses.replace(settings, judged_every=every).build(preflight_run)
    with pytest.raises(ValueError, match=r"model.looks is 0; it must be at least 1"):
        dataclasses.replace(settings, looks=0)


def test_a_distance_is_that_of_the_two_policies_chunks(preflight_run, acted):
    main = load_policy(preflight_run)
    draft = load_draft_policy(preflight_run, main)
    found = confidence._measure(main, draft, {name: array[:9] for name, array in acted.rows.items()})
    drafted, actions = acted.draft[:9], acted.main[:9]
    motion = np.abs((drafted - actions) / np.asarray(main.variables.action.half_range))[..., :6].max(axis=(1, 2))
    differs = (drafted[..., 6] != actions[..., 6]).any(axis=1)
    np.testing.assert_allclose(found.distance, np.where(differs, np.maximum(motion, 2), motion), atol=1e-5)
    assert found.features.shape == (9, 8, draft.backbone.width)


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
