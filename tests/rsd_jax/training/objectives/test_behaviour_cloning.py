import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from rsd_jax.backbones.cameras import KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.training.objectives.behaviour_cloning import (
    BehaviourCloning,
    PolicyConstants,
    chunk_error,
    policy_inputs,
)
from rsd_jax.training.objectives.interface import LossOutput, Variables

BACKBONE = CompactBackbone(
    camera=KeypointCamera(features=(8,), kernels=(3,), strides=(2,), keypoints=4),
    image_size=16,
    width=16,
    depth=1,
    heads=2,
    mlp_features=32,
)
OBJECTIVE = BehaviourCloning(
    PolicyNetwork(BACKBONE, RegressionConfig()),
    augmentation=AugmentationConfig(shift=0.02, brightness=0.05, contrast=0.05),
)
NORMALIZER = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))
CONSTANTS = PolicyConstants(NORMALIZER, InstructionTable.of(["go to the light"], 4, "training", encode_instruction))


def synthetic_batch(seed: int, rows: int) -> dict[str, jax.Array]:
    """A bright spot in the agentview frame says where to go; the robot's state says nothing."""
    generator = np.random.default_rng(seed)
    place = generator.integers(2, 14, (rows, 2))
    images = np.full((rows, 2, 16, 16, 3), 40, np.uint8)
    for row, (y, x) in enumerate(place):
        images[row, 0, y - 1 : y + 2, x - 1 : x + 2] = 255
    actions = np.zeros((rows, 8, 7), np.float32)
    actions[..., :2] = (place[:, None] - 7.5) / 7.5
    return {
        "images": jnp.asarray(images),
        "proprio": jnp.asarray(generator.normal(size=(rows, 8)), jnp.float32),
        "instruction_ids": jnp.asarray(np.stack([encode_instruction("go to the light")] * rows)),
        "actions": jnp.asarray(actions),
        "mask": jnp.ones((rows, 8), bool),
    }


@pytest.fixture(scope="module")
def fitted() -> Variables:
    """The policy after 200 steps on few rows each."""
    variables = nn.meta.unbox(jax.jit(OBJECTIVE.init)(jax.random.key(0)))
    optimizer = optax.adam(3e-3)

    @jax.jit
    def fit(params: dict, batch: dict) -> dict:
        def step(carry: tuple, key: jax.Array) -> tuple:
            params, state = carry
            rows = jax.random.randint(key, (8,), 0, 256)
            sample = jax.tree.map(lambda values: values[rows], batch)
            gradient = jax.grad(lambda p: OBJECTIVE.loss(Variables(p, {}), CONSTANTS, sample, key).loss)(params)
            updates, state = optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), None

        keys = jax.random.split(jax.random.key(1), 200)
        return jax.lax.scan(step, (params, optimizer.init(params)), keys)[0][0]

    return Variables(fit(variables.params, synthetic_batch(0, 256)), {})


@jax.jit
def loss(variables: Variables, batch: dict[str, jax.Array], key: jax.Array) -> LossOutput:
    return OBJECTIVE.loss(variables, CONSTANTS, batch, key)


def test_zeroed_images_make_a_fitted_policy_worse_on_heldout_data(fitted: Variables) -> None:
    heldout = synthetic_batch(99, 64)

    @jax.jit
    def error(params: dict, batch: dict[str, jax.Array]) -> jax.Array:
        predicted = OBJECTIVE.predict(params, NORMALIZER, policy_inputs(batch)).actions
        return chunk_error(predicted, batch["actions"], batch["mask"]).translation

    seen = float(error(fitted.params, heldout))
    blind = float(error(fitted.params, {**heldout, "images": jnp.zeros_like(heldout["images"])}))
    assert seen < 0.1
    assert blind > 2 * seen


def test_steps_behind_the_episodes_end_do_not_count(fitted: Variables) -> None:
    batch = synthetic_batch(1, 4)
    mask = batch["mask"].at[0, 3:].set(False)
    garbage = batch["actions"].at[0, 3:].set(1e3)
    clean = loss(fitted, {**batch, "mask": mask}, jax.random.key(0))
    masked = loss(fitted, {**batch, "mask": mask, "actions": garbage}, jax.random.key(0))
    np.testing.assert_array_equal(clean.loss, masked.loss)
    assert set(masked.metrics) == {"loss/l1", "l1/translation", "l1/rotation", "accuracy/gripper"}


def test_augmentation_depends_on_the_key_and_prediction_has_none(fitted: Variables) -> None:
    batch = synthetic_batch(1, 4)
    losses = [float(loss(fitted, batch, jax.random.key(seed)).loss) for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    prediction = jax.eval_shape(OBJECTIVE.predict, fitted.params, NORMALIZER, policy_inputs(batch))
    assert prediction.actions.shape == (4, 8, 7)
    assert prediction.features.shape == (4, 8, 16)


def test_chunk_error_by_hand() -> None:
    # Two steps, the second masked out. The first is off by 0.3 in one translation, by 0.6 in one rotation, and
    # has the gripper wrong.
    actions = jnp.zeros((1, 2, 7)).at[..., 6].set(1.0)
    predicted = actions.at[0, 0, 0].set(0.3).at[0, 0, 4].set(-0.6).at[0, 0, 6].set(-0.5).at[0, 1].set(9.0)
    error = chunk_error(predicted, actions, jnp.array([[True, False]]))
    np.testing.assert_allclose(error, [(0.3 + 0.6 + 1.5) / 7, 0.1, 0.2, 0.0], rtol=1e-6)
