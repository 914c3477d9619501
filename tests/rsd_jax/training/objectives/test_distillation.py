"""What a draft policy is asked to imitate, and how its error counts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.training.objectives.distillation import Distillation, DistillationConstants, draft_error
from rsd_jax.training.objectives.interface import Variables
from tests.rsd_jax.training.objectives.transparent_network import (
    NORMALIZER,
    STEPS,
    STRONG,
    UNCHANGED,
    WORDS,
    batch_of,
    colour,
    network,
    params_of,
)

KEY = jax.random.key(0)
ACTIONS = np.linspace(-0.5, 0.5, STEPS * 7).reshape(STEPS, 7)
WEIGHT = 0.25


@partial(jax.jit, static_argnums=(0, 1))
def compiled_loss(augmentation, chunks, drafted, acted, batch):
    objective = Distillation(network(), network(chunks), augmentation, worst_weight=WEIGHT)
    frozen = DistillationConstants(NORMALIZER, WORDS, acted)
    return objective.loss(Variables(drafted, {}), frozen, batch, KEY)


def loss(drafted, acted, batch, augmentation=UNCHANGED, chunks=1):
    return compiled_loss(augmentation, chunks, params_of(drafted), params_of(acted), batch)


def test_both_policies_see_the_same_view():
    batch = batch_of([0, 100, 255, 30])
    assert float(loss(ACTIONS, ACTIONS, batch, STRONG).loss) < 1e-6
    # Other keys would show them other views.
    inputs = PolicyInputs(batch["images"], batch["proprio"], batch["instruction_ids"])
    views = [
        network().backbone.augmented_features(STRONG, ACTIONS, NORMALIZER, inputs, jax.random.key(seed))
        for seed in (0, 1)
    ]
    assert float(abs(views[0] - views[1]).min()) > 1e-3


def test_the_worst_entry_of_a_chunk_counts_beside_the_mean():
    acted = ACTIONS.copy()
    acted[0] += 0.1
    acted[1, 2] -= 0.4
    acted[1, 6] += 3.0  # the gripper, whose sign alone is acted on, is not among the worst
    found = loss(ACTIONS, acted, batch_of([128] * 4))
    l1 = (7 * 0.1 + 0.4 + 3.0) / 14
    assert float(found.metrics["loss/l1"]) == pytest.approx(l1, rel=1e-5)
    assert float(found.metrics["l1/worst"]) == pytest.approx(0.4, rel=1e-5)
    assert float(found.loss) == pytest.approx(l1 + WEIGHT * 0.4, rel=1e-5)


def test_errors_of_a_chunk_by_hand():
    acted = jnp.zeros((3, STEPS, 7)).at[..., 6].set(1.0)
    drafted = acted.at[0, 1, 3].set(-0.7).at[1, 0, 6].set(-0.1).at[2, 1, 6].set(0.2)
    found = draft_error(drafted, acted)
    np.testing.assert_allclose(found.l1, [0.7 / 14, 1.1 / 14, 0.8 / 14], rtol=1e-6)
    np.testing.assert_allclose(found.distance, [0.7, 0, 0])
    assert found.same_gripper.tolist() == [True, False, True]


def test_the_share_of_equal_grippers_is_told():
    # What the draft adds brings it to the other side of 0 in the row whose grey is a little below the others'.
    acted, drafted = np.zeros((STEPS, 7)), np.full((STEPS, 7), 0.2)
    found = loss(drafted - colour(200), acted - colour(200), batch_of([255, 180, 220, 240]))
    assert float(found.metrics["accuracy/gripper"]) == 0.75


def test_rows_that_tell_what_the_main_policy_does_are_imitated_in_its_place():
    told = np.linspace(-0.5, 0.5, 4)[:, None, None] * np.ones((4, STEPS, 7), np.float32)
    found = loss(np.zeros((STEPS, 7)) - colour(128), ACTIONS + 9, batch_of([128] * 4) | {"acted": told})
    assert float(found.metrics["loss/l1"]) == pytest.approx(np.abs(told).mean(), rel=1e-4)


def test_only_the_chunk_that_is_acted_on_is_imitated():
    acted = np.concatenate([ACTIONS, ACTIONS + 9])
    assert float(loss(ACTIONS, acted, batch_of([10] * 4), chunks=2).loss) == 0


@pytest.fixture(scope="module")
def remembering():
    """Rows of a policy with a memory."""
    features = np.tile(np.array([5.0, 0.5, 0.25, 0.1], np.float32)[:, None, None], (1, STEPS, 7))
    return batch_of([128] * 4) | {"look_features": features, "look_age": np.array([0, 1, 2, 3])}


def test_the_draft_policy_alone_remembers(remembering):
    acted = np.full((STEPS, 7), 0.3)
    # The transparent draft adds the mean of what it remembers, times the age.
    expected = [0 * 5.0, 1 * 0.5, 2 * 0.25, 3 * 0.1]
    found = loss(acted, acted, remembering)
    assert float(found.metrics["loss/l1"]) == pytest.approx(np.mean(expected), rel=1e-5)


def test_no_gradient_reaches_the_main_policy(remembering):
    def of(drafted, acted):
        return compiled_loss(UNCHANGED, 1, drafted, acted, remembering).loss

    draft, main = jax.grad(of, argnums=(0, 1))(params_of(ACTIONS), params_of(ACTIONS + 0.1))
    assert float(abs(draft["backbone"]).max()) > 0
    assert float(abs(main["backbone"]).max()) == 0
