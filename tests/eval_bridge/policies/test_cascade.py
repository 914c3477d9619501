"""The cascade: who acts, what it remembers, and that no row depends on another."""

import dataclasses
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.analysis.cascade_replay import replay, watched_calls
from eval_bridge.episodes.rollout import run_episode
from eval_bridge.policies.cascade import Cascade
from eval_bridge.policies.compiled_policy import CompiledPolicy, load_models
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.policies.interface import PolicyRequest
from eval_bridge.policies.observation_needs import select_observation
from eval_bridge.policies.policy_episode import PolicyEpisode
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.simulators.point_mass import PointMassSimulator
from rsd_jax.decoding.skip_rules import Agreement
from rsd_jax.stored_models import load_draft_policy, load_policy, load_tokenizer
from rsd_jax.stored_models.policy import PolicyMismatchError
from tests.eval_bridge.policies.scripted_models import ScriptedCascade, ScriptedModels, digits, script, start

LOOK = [digits(1), digits(2), digits(3)]


class Told(NamedTuple):
    """Of one call: who acted, the first action's first dimension and gripper, and the main head's passes."""

    looked: bool
    action: float
    gripper: float
    rounds: int


MODELS = ScriptedModels()


@cache
def decoding(cascade, models):
    """One program for all scripts."""
    return jax.jit(lambda *given: cascade.decode(models, given[0], None, *given[1:]))


def play(scripts, cascade=None, models=MODELS, looks=0):
    """What row 0 tells, call by call, and what the last call's shadow holds."""
    decode = decoding(cascade or ScriptedCascade(), models)
    rows, told = len(scripts[0].draft), []
    state, keys = start(rows, looks), jax.random.split(jax.random.key(0), rows)
    for each in scripts:
        chunks, state = decode(each, state, keys, jnp.ones(rows, bool))
        action = chunks.actions[0, 0]
        told.append(Told(bool(chunks.looked[0]), round(float(action[0]), 3), float(action[-1]), int(chunks.rounds[0])))
    return told, chunks.shadow


def test_it_acts_on_the_draft_while_it_agrees_with_what_was_foreseen_and_then_looks():
    told, _ = play([script(digits(level), LOOK) for level in (9, 2, 3, 4, 2)])
    assert [each.looked for each in told] == [True, False, False, True, False]
    assert [each.action for each in told] == [1.1, 2.1, 3.1, 1.1, 2.1]
    assert [each.rounds for each in told] == [8, 0, 0, 8, 0]


def test_a_draft_that_disagrees_is_not_acted_on_and_the_look_renews_what_is_foreseen():
    told, _ = play([script(digits(level), LOOK) for level in (9, 3, 2)])
    assert [each.looked for each in told] == [True, True, False]
    assert [each.action for each in told] == [1.1, 1.1, 2.1]


def test_finer_layers_come_from_the_draft():
    told, _ = play([script(digits(9), LOOK), script(digits(2, fine=4), LOOK)])
    assert told[1] == Told(looked=False, action=2.4, gripper=-1.0, rounds=0)


def test_the_gripper_closes_only_where_the_main_model_foresaw_it():
    told, _ = play([script(digits(9), LOOK), script(digits(2, gripper=1), LOOK)])
    assert told[1] == Told(looked=True, action=1.1, gripper=-1.0, rounds=8)
    closing = [digits(1), digits(2, gripper=1), digits(3, gripper=1)]
    told, _ = play([script(digits(9), closing), *(script(digits(level, gripper=1), closing) for level in (2, 3))])
    assert [(each.looked, each.gripper) for each in told] == [(True, -1.0), (False, 1.0), (False, 1.0)]


def test_a_confident_draft_acts_beyond_what_was_foreseen():
    cascade = ScriptedCascade(rule="confidence", threshold=0.1)
    told, _ = play([script(digits(9), LOOK, distance=far) for far in (0.0, 0.1, 0.1, 0.1, 0.2, 0.0)], cascade)
    assert [each.looked for each in told] == [True, False, False, False, True, False]


def test_the_longest_run_without_a_look_is_a_limit():
    scripts = [script(digits(level), LOOK) for level in (9, 2, 3)]
    for longest, looked in ((1, [True, False, True]), (0, [True, True, True])):
        assert [each.looked for each in play(scripts, ScriptedCascade(longest_run=longest))[0]] == looked


def test_a_watched_cascade_acts_as_one_that_is_not():
    scripts = [script(digits(level), LOOK) for level in (9, 2, 9)]
    assert play(scripts, ScriptedCascade(shadow=True))[0] == play(scripts)[0]


def test_the_draft_remembers_the_last_look_and_how_long_ago_it_was():
    """Fine digits tell: ten times the age, and the mark of the look that is remembered."""
    scripts = [script(digits(level), LOOK, mark=mark) for mark, level in enumerate((9, 2, 3, 4, 2), start=1)]
    told, _ = play(scripts, models=ScriptedModels(remembers=5), looks=1)
    # Looks at calls 1 and 4, whose marks are 1 and 4; half-ranges of a fine digit are tenths.
    assert [each.looked for each in told] == [True, False, False, True, False]
    assert [each.action for each in told] == [1.1, pytest.approx(2 + 1.1), pytest.approx(3 + 2.1), 1.1, 2 + 1.4]


def test_a_watched_cascade_tells_the_draft_for_every_age_and_acts_on_its_own():
    scripts = [script(digits(level), LOOK, mark=mark) for mark, level in enumerate((9, 2, 3), start=1)]
    models, cascade = ScriptedModels(remembers=3), ScriptedCascade(longest_run=3, shadow=True)
    told, shadow = play(scripts, cascade, models, looks=3)
    assert told == play(scripts, ScriptedCascade(longest_run=3), models, looks=1)[0]
    # At the third call: the look of one call ago, of two (the first), and of three, before the episode.
    assert shadow.drafted[0, :, 0, 0, 1].tolist() == [12, 21, 30]
    assert shadow.foreseen[0, :, 0, 0, 0].tolist() == [1, 2, 3]


def test_a_draft_policy_that_forgets_sooner_is_refused(preflight_run):
    cascade = Cascade(longest_run=3)
    with pytest.raises(ValueError, match=r"longest_run=3 must be at most 2, the calls for which the draft policy"):
        CompiledPolicy(cascade, load_models(preflight_run, cascade))


def test_the_main_model_runs_only_if_a_row_that_was_asked_must_look():
    """One predicate of the whole batch chooses between two branches."""
    models, keys = ScriptedModels(), jax.random.split(jax.random.key(0), 2)

    def conditions(cascade):
        program = jax.make_jaxpr(lambda *a: cascade.decode(models, a[0], None, a[1], keys, a[2]))
        equations = program(script(digits(2), LOOK, rows=2), start(2), jnp.ones(2, bool)).eqns
        return [equation for equation in equations if equation.primitive.name == "cond"]

    (condition,) = conditions(ScriptedCascade())
    assert condition.invars[0].aval.shape == ()
    assert conditions(ScriptedCascade(shadow=True)) == []
    state = start(2)._replace(skip=start(2).skip._replace(calls_since_look=jnp.array([1, 0])))
    state = state._replace(foreseen=jnp.tile(np.stack(LOOK), (2, 1, 1, 1, 1)))
    seen = script(digits(2), LOOK, rows=2)
    for asked, action in (([True, True], 1.1), ([True, False], 0.0)):
        chunks, _ = decoding(ScriptedCascade(), MODELS)(seen, state, keys, jnp.array(asked))
        assert chunks.looked.tolist() == [False, True]
        # What nobody asked for was not computed: zeros.
        assert float(chunks.actions[1, 0, 0]) == pytest.approx(action)


def test_settings_are_checked_and_read_from_words():
    assert read_decoder("cascade", "rule=both threshold=0.05 longest_run=3 shadow=true") == Cascade(
        rule="both", threshold=0.05, longest_run=3, shadow=True
    )
    for settings, message in (
        ("rule=luck", r"rule='luck' must be one of agreement, confidence, both"),
        ("tolerance=-1", r"tolerance=-1.0 must not be negative"),
        ("patience=3", r"decoder_settings has 'patience=3': cascade takes NAME=VALUE of these settings: rule, "),
        ("longest_run=1.5", r"longest_run is of type int . None, as in longest_run=None"),
        ("shadow", r"decoder_settings has 'shadow'"),
    ):
        with pytest.raises(ValueError, match=message):
            read_decoder("cascade", settings)


@pytest.fixture(scope="module")
def acted(preflight_run, observations):
    """What the main model does there."""
    main = CompiledPolicy.load(preflight_run, "autoregressive")
    return [main.act(observation) for observation in observations]


class WhateverWasForeseen:
    """A rule for which networks need not be trained well."""

    def accepts(self, evidence):
        return evidence.is_foreseen


def test_records_do_not_depend_on_the_batch_and_looks_act_as_the_main_model(
    preflight_run, observations, acted, monkeypatch
):
    """Trained networks, asked one at a time and together in changing order; some rows look while others don't."""
    monkeypatch.setattr(Cascade, "skip_rule", WhateverWasForeseen())
    outputs = {size: {} for size in (1, 3)}
    for size, of_size in outputs.items():
        policy = CompiledPolicy.load(preflight_run, "cascade", size, settings="longest_run=1")
        seen = [select_observation(each, policy.observation_needs) for each in observations]
        states = [None] * len(seen)
        for call in range(4):
            # Each episode begins a call later than the one before.
            order = [(call + place) % len(seen) for place in range(len(seen)) if (call + place) % len(seen) <= call]
            for first in range(0, len(order), size):
                chosen = dict(enumerate(order[first : first + size]))
                answers = policy.act_batch(
                    {row: PolicyRequest(seen[i], (0, i), call, states[i]) for row, i in chosen.items()}
                )
                for row, i in chosen.items():
                    states[i] = answers[row].state
                    of_size[call, i] = answers[row].output
    tokenizer = load_tokenizer(preflight_run)
    finest_level = np.asarray(tokenizer.error_bound(tokenizer.num_layers - 1)) + 1e-6
    for place, alone in outputs[1].items():
        together = outputs[3][place]
        assert alone.looked == together.looked, place
        # Programs of other shapes round otherwise: a near-tie of the finest digit may fall to the other side.
        difference = np.abs(alone.actions - together.actions)
        assert (difference <= finest_level).all(), place
        assert (difference > 1e-6).any(axis=1).sum() <= 1, place
        if alone.looked:
            expected = acted[place[1]]
            np.testing.assert_array_equal(alone.actions, expected.actions)
            assert 1 <= alone.rounds <= expected.rounds
    assert {output.looked for output in outputs[1].values()} == {True, False}


def test_an_early_exit_that_always_looks_acts_as_the_main_model(preflight_run, observations, acted):
    policy = CompiledPolicy.load(preflight_run, "early_exit", settings="longest_run=0")
    for observation, expected in zip(observations, acted, strict=True):
        found = policy.act(observation)
        assert found.looked
        np.testing.assert_array_equal(expected.actions, found.actions)


def test_a_replay_of_watched_episodes_looks_where_the_policy_looked(preflight_run, observations, acted):
    """Trained networks in the point mass, from files' arrays back to decisions."""
    policy = CompiledPolicy.load(preflight_run, "cascade", settings="shadow=true tolerance=1 longest_run=2")
    np.testing.assert_array_equal(policy.act(observations[0]).actions, acted[0].actions)
    simulator, shadows = PointMassSimulator(), []
    for number, steps in enumerate((48, 40, 8)):
        actor = PolicyEpisode(policy, episode_key(0, 0, number))
        shadows.append(run_episode(simulator, actor, simulator.draw_start(100 + number), steps)[1].shadow)
    found = replay(watched_calls(shadows, load_tokenizer(preflight_run), 3), Agreement, [1.0], 2)
    for skipped, shadow in zip(found.skipped[0], shadows, strict=True):
        np.testing.assert_array_equal(~skipped[: len(shadow.looked)], shadow.looked)
    assert set(shadows[0].looked[1:].tolist()) == {True, False}


def test_a_draft_policy_of_another_policy_is_refused(preflight_run):
    main = dataclasses.replace(load_policy(preflight_run), params_hash="0" * 64)
    with pytest.raises(PolicyMismatchError, match=r"learned from policy .* but the run's policy is 000"):
        load_draft_policy(preflight_run, main)
