"""The cascade: who acts, what it remembers, and that no row depends on another."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.cascade import Cascade, Foresight
from eval_bridge.policies.compiled_policy import CompiledPolicy
from eval_bridge.policies.decoders import read_decoder
from rsd_jax.decoding import CodeShape

CHUNKS, STEPS, DIMS, LAYERS = 3, 2, 7, 2
LEVELS = 5


class ScriptedModels:
    """Tokens that stand in the inputs in place of networks; a digit of level v is v half-ranges, a layer finer v / 10."""

    code_shape = CodeShape(STEPS, DIMS, LAYERS, 0, jnp.ones((LAYERS, DIMS), bool))

    def draft_policy_tokens(self, inputs):
        return inputs["draft"]

    def detokenize(self, tokens, num_layers=None):
        scales = jnp.array([1.0, 0.1])[: LAYERS if num_layers is None else num_layers]
        actions = (tokens[..., : len(scales)] * scales).sum(axis=-1)
        return actions.at[..., -1].set(jnp.where(tokens[..., -1, 0] > 0, 1.0, -1.0))

    def normalize(self, actions):
        return actions


@dataclass(frozen=True)
class ScriptedCascade(Cascade):
    """The cascade's own rules and state, on scripted looks."""

    coarse_layers: int = 1
    tolerance: float = 0.5
    longest_run: int = 5

    def foresee(self, models, inputs):
        return Foresight(inputs["look"], jnp.full(len(inputs["draft"]), 8))


def digits(level, gripper=0):
    """A chunk whose coarse digits are `level` and whose fine ones are 1."""
    tokens = np.full((STEPS, DIMS, LAYERS), level, np.int32)
    tokens[..., 1] = 1
    tokens[:, -1] = gripper
    return tokens


def play(calls, cascade=None, rows=1):
    """Looked, coarse level and gripper acted on, call by call; each call is (draft, look) as `digits`."""
    cascade = ScriptedCascade() if cascade is None else cascade
    start = (
        np.zeros((rows, CHUNKS, STEPS, DIMS, LAYERS), np.int32),
        np.zeros(rows, np.int32),
        np.zeros(rows, np.float32),
    )
    state = jax.tree.unflatten(jax.tree.structure(cascade_state()), start)
    told = []
    for draft, look in calls:
        inputs = {"draft": jnp.tile(draft, (rows, 1, 1, 1)), "look": jnp.tile(np.stack(look), (rows, 1, 1, 1, 1))}
        chunks, state = cascade.decode(
            ScriptedModels(), inputs, None, state, jax.random.split(jax.random.key(0), rows), jnp.ones(rows, bool)
        )
        actions = chunks.actions[0, 0]
        told.append((bool(chunks.looked[0]), float(actions[0]), float(actions[-1]), int(chunks.rounds[0])))
    return told


def cascade_state():
    from eval_bridge.policies.cascade import CascadeState
    from rsd_jax.decoding.skip_rules import SkipState

    return CascadeState(0, SkipState(0, 0))


LOOK = [digits(1), digits(2), digits(3)]


def test_it_acts_on_the_draft_while_it_agrees_with_what_was_foreseen_and_then_looks():
    told = play([(digits(9), LOOK), (digits(2), LOOK), (digits(3), LOOK), (digits(4), LOOK), (digits(2), LOOK)])
    assert [looked for looked, *_ in told] == [True, False, False, True, False]
    assert [level for _, level, *_ in told] == pytest.approx([1.1, 2.1, 3.1, 1.1, 2.1])
    assert [rounds for *_, rounds in told] == [8, 0, 0, 8, 0]


def test_a_draft_that_disagrees_is_not_acted_on_and_the_look_renews_what_is_foreseen():
    told = play([(digits(9), LOOK), (digits(3), LOOK), (digits(2), LOOK)])
    assert [looked for looked, *_ in told] == [True, True, False]
    assert [level for _, level, *_ in told] == pytest.approx([1.1, 1.1, 2.1])


def test_finer_layers_come_from_the_draft():
    draft = digits(2)
    draft[..., 1] = 4
    draft[:, -1] = 0
    assert play([(digits(9), LOOK), (draft, LOOK)])[1][:2] == (False, pytest.approx(2.4))


def test_the_gripper_closes_only_where_the_main_model_foresaw_it():
    closing = [digits(1), digits(2, gripper=1), digits(3, gripper=1)]
    told = play([(digits(9), LOOK), (digits(2, gripper=1), LOOK)])
    assert told[1] == (True, pytest.approx(1.1), -1.0, 8)
    told = play([(digits(9), closing), (digits(2, gripper=1), closing), (digits(3, gripper=1), closing)])
    assert [(looked, gripper) for looked, _, gripper, _ in told] == [(True, -1.0), (False, 1.0), (False, 1.0)]


def test_the_longest_run_without_a_look_is_a_limit():
    calls = [(digits(9), LOOK), (digits(2), LOOK), (digits(3), LOOK)]
    assert [looked for looked, *_ in play(calls, ScriptedCascade(longest_run=1))] == [True, False, True]
    assert [looked for looked, *_ in play(calls, ScriptedCascade(longest_run=0))] == [True, True, True]


def test_a_watched_cascade_acts_as_one_that_is_not():
    calls = [(digits(9), LOOK), (digits(2), LOOK), (digits(9), LOOK)]
    assert play(calls, ScriptedCascade(shadow=True)) == play(calls)


def test_the_main_model_runs_only_if_a_row_must_look():
    """Both branches of the condition are there, and one predicate of the whole batch chooses."""
    inputs = {
        "draft": jnp.zeros((2, STEPS, DIMS, LAYERS), jnp.int32),
        "look": jnp.tile(np.stack(LOOK), (2, 1, 1, 1, 1)),
    }
    state = jax.tree.unflatten(
        jax.tree.structure(cascade_state()),
        (jnp.zeros((2, CHUNKS, STEPS, DIMS, LAYERS), jnp.int32), jnp.ones(2, jnp.int32), jnp.full(2, -1.0)),
    )
    keys = jax.random.split(jax.random.key(0), 2)

    def looks(cascade):
        program = jax.make_jaxpr(
            lambda *a: cascade.decode(ScriptedModels(), a[0], None, a[1], keys, jnp.ones(2, bool))
        )(inputs, state)
        return [equation for equation in program.eqns if equation.primitive.name == "cond"]

    (condition,) = looks(ScriptedCascade())
    assert condition.invars[0].aval.shape == ()
    assert looks(ScriptedCascade(shadow=True)) == []


def test_settings_are_checked_and_read_from_words():
    assert read_decoder("cascade", "rule=both threshold=0.05 longest_run=3 shadow=true") == Cascade(
        rule="both", threshold=0.05, longest_run=3, shadow=True
    )
    for settings, message in (
        ("rule=luck", r"rule='luck' must be one of agreement, confidence, both"),
        ("tolerance=-1", r"tolerance=-1.0 must not be negative"),
        ("patience=3", r"decoder_settings has 'patience=3': cascade takes NAME=VALUE of these settings: rule, "),
        ("longest_run=1.5", r"longest_run is of type int, as in longest_run=7"),
        ("shadow", r"decoder_settings has 'shadow'"),
    ):
        with pytest.raises(ValueError, match=message):
            read_decoder("cascade", settings)


def test_records_do_not_depend_on_the_batch(preflight_run, observations):
    """Trained networks, on batches of one and of four; rows look or not, each by itself."""
    from eval_bridge.policies.interface import PolicyRequest
    from eval_bridge.policies.observation_needs import select_observation

    policies = [
        CompiledPolicy.load(preflight_run, "cascade", size, settings="tolerance=2 longest_run=1") for size in (1, 4)
    ]
    seen = [select_observation(each, policies[0].observation_needs) for each in observations]
    states = {size: [None] * len(seen) for size in (1, 4)}
    looked = []
    for call in range(4):
        for policy in policies:
            size = policy.batch_size
            order = [(call + row) % len(seen) for row in range(len(seen))]
            for first in range(0, len(order), size):
                chosen = dict(enumerate(order[first : first + size]))
                requests = {row: PolicyRequest(seen[i], (0, i), call, states[size][i]) for row, i in chosen.items()}
                answers = policy.act_batch(requests)
                for row, i in chosen.items():
                    states[size][i] = answers[row].state
                    looked.append((size, call, i, answers[row].output.looked, answers[row].output.actions))
    one, four = ([each[1:] for each in looked if each[0] == size] for size in (1, 4))
    for left, right in zip(sorted(one, key=lambda x: x[:2]), sorted(four, key=lambda x: x[:2]), strict=True):
        assert left[:3] == right[:3]
        np.testing.assert_array_equal(left[3], right[3])
    assert {each[2] for each in one} == {True, False}


def test_one_that_always_looks_acts_as_the_main_model(preflight_run, observations):
    policies = [
        CompiledPolicy.load(preflight_run, name, settings=settings)
        for name, settings in (("autoregressive", ""), ("cascade", "longest_run=0"))
    ]
    for observation in observations:
        main, cascade = (policy.act(observation) for policy in policies)
        np.testing.assert_array_equal(main.actions, cascade.actions)
        assert main.rounds == cascade.rounds


def test_a_draft_policy_of_another_policy_is_refused(preflight_run, tmp_path):
    from rsd_jax.stored_models import load_draft_policy, load_policy
    from rsd_jax.stored_models.policy import PolicyMismatchError

    main = dataclasses.replace(load_policy(preflight_run), params_hash="0" * 64)
    with pytest.raises(PolicyMismatchError, match=r"learned from policy .* but the run's policy is 000"):
        load_draft_policy(preflight_run, main)
