"""The early exit: who acts, and that a look goes on from the first blocks. More is tested of all cascades together."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval_bridge.policies.compiled_policy import load_models
from eval_bridge.policies.decoder_models import Models
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.policies.early_exit import EarlyExit
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.stored_models import load_early_exit, load_policy
from rsd_jax.stored_models.policy import PolicyMismatchError
from tests.eval_bridge.policies.scripted_models import ScriptedEarlyExit, ScriptedModels, digits, script, start

LOOK = [digits(1), digits(2), digits(3)]
CONVOLUTION = "conv_general_dilated["


def play(levels, decoder):
    """Whether it looked and the first action's first dimension, call by call."""
    models, state, keys, told = ScriptedModels(), start(1), jax.random.split(jax.random.key(0), 1), []
    decode = jax.jit(lambda seen, state: decoder.decode(models, seen, None, state, keys, jnp.ones(1, bool)))
    for level in levels:
        chunks, state = decode(script(digits(level), LOOK), state)
        told.append((bool(chunks.looked[0]), round(float(chunks.actions[0, 0, 0]), 3)))
    return told


def test_it_acts_on_the_draft_while_it_agrees_with_what_was_foreseen_and_then_looks():
    told = play((9, 2, 3, 4, 9), ScriptedEarlyExit())
    assert told == [(True, 1.1), (False, 2.1), (False, 3.1), (True, 1.1), (True, 1.1)]
    assert play((9, 2, 3, 4, 9), ScriptedEarlyExit(shadow=True)) == told


def test_a_look_goes_on_from_the_first_blocks_and_is_taken_only_if_a_row_must(preflight_run):
    """One predicate of the whole batch; what lies before the exit is computed once, outside."""
    decoder = EarlyExit()
    models = Models(*load_models(preflight_run, decoder))
    backbone = models.networks.policy.backbone
    state = jax.tree.map(lambda array: np.stack([array] * 2), decoder.initial_state(models))
    frames = jnp.zeros((2, 2, 128, 128, 3), jnp.uint8)
    inputs = PolicyInputs(frames, jnp.zeros((2, 8)), jnp.stack([backbone.encode_instruction("close")] * 2))
    given = jax.random.split(jax.random.key(0), 2), jnp.ones(2, bool)
    equations = jax.make_jaxpr(lambda *a: decoder.decode(models, a[0], None, *a[1:]))(inputs, state, *given).eqns
    (condition,) = [equation for equation in equations if equation.primitive.name == "cond"]
    assert condition.invars[0].aval.shape == ()
    skip, look = sorted((str(branch) for branch in condition.params["branches"]), key=len)
    assert [("dot_general[" in branch, CONVOLUTION in branch) for branch in (skip, look)] == [
        (False, False),
        (True, False),
    ]
    before = "".join(str(equation) for equation in equations if equation is not condition)
    assert before.count(CONVOLUTION) == str(jax.make_jaxpr(models.features)(inputs)).count(CONVOLUTION) > 0


def test_rules_that_need_a_confidence_are_refused():
    assert read_decoder("early_exit", "tolerance=0.1 longest_run=3 shadow=true") == EarlyExit(
        tolerance=0.1, longest_run=3, shadow=True
    )
    for rule in ("confidence", "both"):
        with pytest.raises(ValueError, match=rf"rule='{rule}' must be agreement: an early exit has no head"):
            read_decoder("early_exit", f"rule={rule}")
    with pytest.raises(ValueError, match=r"tolerance=-1.0 must not be negative"):
        EarlyExit(tolerance=-1.0)


def test_an_exit_of_another_policy_is_refused(preflight_run):
    main = dataclasses.replace(load_policy(preflight_run), params_hash="0" * 64)
    with pytest.raises(PolicyMismatchError, match=r"is an exit of policy .* but the run's policy is 000"):
        load_early_exit(preflight_run, main)
