"""OpenVLA with random weights."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.openvla.token_sequence import PADDING
from rsd_jax.stored_models import load_policy
from rsd_jax.stored_models.openvla.publishing import publish
from rsd_jax.stored_models.openvla.random_policy import write_random_policy
from rsd_jax.stored_models.policy import load_action_range
from rsd_jax.stored_models.random_weights import RANDOM_WEIGHTS, has_random_weights, in_red

LONGEST = "pick up the black bowl between the plate and the ramekin and place it on the plate"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("random")
    write_random_policy("tiny", run_dir, "bfloat16", heldout_every=2, exit_block=1)
    return run_dir


def test_whoever_loads_it_is_told_in_red(run_dir, caplog, tmp_path):
    with caplog.at_level(logging.WARNING):
        policy = load_policy(run_dir)
    assert policy.has_random_weights
    assert in_red(f"{run_dir}: {RANDOM_WEIGHTS}") in caplog.messages
    assert has_random_weights(run_dir)
    assert not has_random_weights(tmp_path)


def test_it_is_a_policy_like_a_converted_one(run_dir):
    policy = load_policy(run_dir)
    assert (policy.heldout_every, policy.backbone.exit_block) == (2, 1)
    assert {leaf.dtype for leaf in jax.tree.leaves(policy.variables.head)} == {jnp.dtype("bfloat16")}
    ids = policy.backbone.encode_instruction(LONGEST)
    assert 20 < (ids != PADDING).sum() <= 40
    assert (policy.backbone.encode_instruction("grasp ten odd things quickly") != ids).any()
    with pytest.raises(FileExistsError, match="has a policy; name another folder"):
        write_random_policy("tiny", run_dir)
    with pytest.raises(ValueError, match="random is 'large'; it must be one of openvla_7b, tiny"):
        write_random_policy("large", run_dir)


def test_it_is_not_written_back(run_dir, tmp_path):
    with pytest.raises(ValueError, match="has random weights: it came from no published folder"):
        publish(run_dir, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_its_head_is_read_without_its_backbone(run_dir):
    whole, head = load_policy(run_dir), load_policy(run_dir, with_backbone=False)
    assert whole.has_backbone
    assert not head.has_backbone
    assert head.params_hash == whole.params_hash
    features = jnp.ones((1, 8, 448))
    actions = [each.teacher_actions(each.variables, features) for each in (whole, head)]
    np.testing.assert_array_equal(*actions)


def test_a_tokenizer_that_shares_its_range_is_bounded(run_dir):
    shared, own = load_action_range(run_dir), load_policy(run_dir).variables.action
    assert (shared.is_bounded, own.is_bounded) == (True, False)
    assert shared.has_range_of(own)
    assert not shared.has_range_of(own.from_quantiles(-np.ones(7), 2 * np.ones(7)))
