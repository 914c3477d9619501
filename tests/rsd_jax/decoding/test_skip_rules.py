"""When a draft may act in place of the main model: each condition alone decides."""

import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.decoding.skip_rules import (
    Agreement,
    AgreementAndConfidence,
    Confidence,
    SkipEvidence,
    SkipState,
    draft_distance,
    foresight_gap,
    must_look,
    next_state,
)

ROWS, STEPS = 4, 8
OPEN, CLOSED = -1.0, 1.0


def chunk(offset=0.0, gripper=OPEN):
    """The same chunk in every row, its motion moved by `offset` in one dimension of one step."""
    generator = np.random.default_rng(0)
    actions = np.tile(generator.uniform(-0.5, 0.5, (1, STEPS, 7)), (ROWS, 1, 1)).astype(np.float32)
    actions[..., 6] = gripper
    actions[:, 3, 4] += offset
    return jnp.asarray(actions)


def evidence(**fields):
    defaults = {
        "drafted": chunk(),
        "foreseen": chunk(),
        "is_foreseen": jnp.ones(ROWS, bool),
        "distance": jnp.zeros(ROWS),
        "gripper": jnp.full(ROWS, OPEN),
    }
    return SkipEvidence(**defaults | fields)


RULES = {"agreement": Agreement(0.2), "confidence": Confidence(0.1), "both": AgreementAndConfidence(0.2, 0.1)}


@pytest.mark.parametrize("name", RULES)
def test_a_confident_draft_that_agrees_and_leaves_the_gripper_alone_may_act(name):
    assert RULES[name].accepts(evidence()).tolist() == [True] * ROWS


@pytest.mark.parametrize(
    ("changed", "refusing"),
    [
        ({"drafted": chunk(0.21)}, {"agreement", "both"}),
        ({"drafted": chunk(-0.21)}, {"agreement", "both"}),
        ({"drafted": chunk(0.19)}, set()),
        ({"is_foreseen": jnp.zeros(ROWS, bool)}, {"agreement", "both"}),
        ({"distance": jnp.full(ROWS, 0.11)}, {"confidence", "both"}),
        ({"distance": jnp.full(ROWS, jnp.nan)}, {"confidence", "both"}),
        # The gripper changes on the draft alone.
        ({"drafted": chunk(gripper=CLOSED)}, {"agreement", "confidence", "both"}),
        # The main model foresaw the change.
        ({"drafted": chunk(gripper=CLOSED), "foreseen": chunk(gripper=CLOSED)}, {"confidence"}),
        # The main model foresaw a change that the draft does not see.
        ({"foreseen": chunk(gripper=CLOSED)}, {"agreement", "both"}),
    ],
)
def test_every_condition_alone_makes_the_main_model_look(changed, refusing):
    refuses = {name for name, rule in RULES.items() if not rule.accepts(evidence(**changed)).any()}
    assert refuses == refusing
    accepts = {name for name, rule in RULES.items() if rule.accepts(evidence(**changed)).all()}
    assert accepts == set(RULES) - refusing


def test_rows_are_judged_one_by_one():
    drafted = chunk().at[2].set(chunk(0.3)[2])
    assert Agreement(0.2).accepts(evidence(drafted=drafted)).tolist() == [True, True, False, True]


def test_the_first_call_and_one_after_the_longest_run_look_whatever_the_rule_says():
    state = SkipState(jnp.array([0, 1, 3, 4]), jnp.full(ROWS, OPEN))
    assert must_look(Agreement(0.2), evidence(), state, 3).tolist() == [True, False, False, True]
    assert must_look(Agreement(0.2), evidence(), state, 0).tolist() == [True] * ROWS


def test_state_counts_calls_since_the_look_and_keeps_the_last_gripper():
    state = SkipState(jnp.array([0, 1, 3, 4]), jnp.zeros(ROWS))
    acted = chunk().at[1, -1, 6].set(CLOSED)
    after = next_state(state, jnp.array([True, False, False, True]), acted)
    assert after.calls_since_look.tolist() == [1, 2, 4, 1]
    assert after.gripper.tolist() == [OPEN, CLOSED, OPEN, OPEN]


def test_the_gap_is_the_largest_of_motion_and_infinite_where_a_gripper_differs():
    np.testing.assert_allclose(foresight_gap(chunk(0.3), chunk()), 0.3, atol=1e-6)
    assert foresight_gap(chunk(), chunk().at[1, 5, 6].set(CLOSED)).tolist() == [0.0, np.inf, 0.0, 0.0]


def test_the_distance_is_the_largest_of_motion_and_at_least_the_grippers_where_its_sign_differs():
    np.testing.assert_allclose(draft_distance(chunk(-0.3), chunk()), 0.3, atol=1e-6)
    np.testing.assert_allclose(draft_distance(chunk(), chunk().at[1, 5, 6].set(CLOSED)), [0.0, 2.0, 0.0, 0.0])
    np.testing.assert_allclose(draft_distance(chunk(3.0, CLOSED), chunk()), 3.0, atol=1e-6)
    # Of a command that is no sign yet, as a head gives it, the side of zero counts alone.
    np.testing.assert_allclose(draft_distance(chunk(gripper=-0.2), chunk(gripper=-0.9)), 0.0)
