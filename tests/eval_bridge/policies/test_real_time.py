"""A policy that takes promises, on the miniature run that preflight trains."""

import itertools
from pathlib import Path

import jax
import numpy as np
import pytest

from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.decoders import make_decoder
from eval_bridge.policies.interface import FUSED_STAGE, PolicyRequest, Promise
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.policies.real_time import RealTimePolicy, completing_decoder
from rsd_jax.stored_models import load_tokenizer

COARSE = 1
KEY = episode_key(7, 0, 0)


@pytest.fixture(scope="module")
def policy(preflight_run: Path) -> RealTimePolicy:
    return RealTimePolicy.load(preflight_run, "fixed_point", coarse_layers=COARSE)


@pytest.fixture(scope="module")
def plain(preflight_run: Path) -> CompiledPolicy:
    return CompiledPolicy.load(preflight_run, "fixed_point")


def answer(policy, observation, state=None, promise=None):
    seen = select_observation(observation, policy.observation_needs)
    return policy.act_batch({0: PolicyRequest(seen, KEY, 0, state, promise)})[0]


@pytest.mark.parametrize("promise", [None, Promise(4, 0, 0)])
def test_where_nothing_is_promised_it_acts_as_the_policy_without_promises(policy, plain, observations, promise):
    state = answer(policy, observations[0], answer(policy, observations[1]).state, Promise(2, 3, 3)).state
    for observation in observations:
        told = answer(policy, observation, state, promise)
        np.testing.assert_array_equal(told.output.actions, answer(plain, observation).output.actions)
        assert told.output.rounds == answer(plain, observation).output.rounds


def test_promised_steps_stay_and_overlapping_ones_keep_their_coarse_layers(policy, plain, observations):
    first = answer(policy, observations[0])
    told = answer(policy, observations[1], first.state, Promise(passed=3, fixed=2, overlapping=3))
    unpromised = answer(policy, observations[1])
    before, after, without = (np.asarray(each.state.tokens) for each in (first, told, unpromised))
    assert (without[:2] != before[3:5]).any()
    assert (without[2:5, :, :COARSE] != before[5:, :, :COARSE]).any()
    np.testing.assert_array_equal(after[:2], before[3:5])
    np.testing.assert_array_equal(told.output.actions[:2], first.output.actions[3:5])
    np.testing.assert_array_equal(after[2:5, :, :COARSE], before[5:, :, :COARSE])
    assert (after[2:5, :, COARSE:] != before[5:, :, COARSE:]).any()
    # The columns of this head do not see each other: what is promised to others changes nothing.
    np.testing.assert_array_equal(after[5:], without[5:])


def test_a_chunk_is_promised_of_the_one_before_it_and_of_no_earlier_one(policy, observations):
    episode = PolicyEpisode(policy, KEY)
    chunks = [episode.act(observations[0]).actions]
    chunks += [episode.act(seen, Promise(4, 4, 0)).actions for seen in (observations[1], observations[2])]
    for last, now in itertools.pairwise(chunks):
        np.testing.assert_array_equal(now[:4], last[4:])
    assert (chunks[2][:4] != chunks[0][4:]).any()


def test_tokens_of_the_state_are_those_that_were_acted_on(policy, preflight_run, observations):
    told = answer(policy, observations[0])
    decoded = jax.jit(load_tokenizer(preflight_run).detokenize)(np.asarray(told.state.tokens)[None])
    np.testing.assert_allclose(decoded[0], told.output.actions, atol=1e-6)


def test_the_call_that_is_timed_is_the_one_that_acts(policy, observations):
    stages = policy.stage_functions(observations[0])
    np.testing.assert_array_equal(stages[FUSED_STAGE]().actions, answer(policy, observations[0]).output.actions)


@pytest.mark.parametrize("name", ["l1_regression", "cascade", "early_exit", "certified"])
def test_decoders_that_complete_no_digits_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} takes none: choose autoregressive, fixed_point"):
        completing_decoder(make_decoder(name))


def test_layers_that_the_code_does_not_have_are_refused(preflight_run):
    with pytest.raises(ValueError, match="coarse_layers=5 must be between 0 and 4, the layers of the code"):
        RealTimePolicy.load(preflight_run, "fixed_point", coarse_layers=5)
