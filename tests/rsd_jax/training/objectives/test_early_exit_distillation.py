"""What the head on the first blocks is asked to imitate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.cameras import KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.heads.early_exit_head import EarlyExitConfig
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.training.objectives.distillation import DistillationConstants
from rsd_jax.training.objectives.early_exit_distillation import EarlyExitDistillation
from rsd_jax.training.objectives.interface import Variables

MAIN = PolicyNetwork(
    CompactBackbone(
        camera=KeypointCamera(features=(4,), kernels=(5,), strides=(4,), keypoints=4),
        **{"image_size": 16, "width": 16, "depth": 2, "heads": 2, "mlp_features": 32, "chunks": 2, "chunk_length": 2},
    ),
    RegressionConfig(),
)
OBJECTIVE = EarlyExitDistillation(
    EarlyExitConfig(blocks=1, width=16, hidden_features=16), MAIN, AugmentationConfig(shift=0.0, reworded=0.0)
)
NORMALIZER = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))
WORDS = InstructionTable(jnp.ones((1, INSTRUCTION_LENGTH), jnp.int32), jnp.ones((1, 1, INSTRUCTION_LENGTH), jnp.int32))


def drawn(init):
    """Parameters of the shapes that `init` gives: nothing is compiled to draw any."""
    shapes, generator = nn.meta.unbox(jax.eval_shape(init, jax.random.key(0))), np.random.default_rng(0)
    return jax.tree.map(lambda leaf: 0.3 * generator.standard_normal(leaf.shape, np.float32), shapes)


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(1)
    return {
        "images": generator.integers(0, 256, (3, 2, 16, 16, 3), np.uint8),
        "proprio": generator.normal(size=(3, 8)).astype(np.float32),
        "instruction_ids": np.ones((3, INSTRUCTION_LENGTH), np.int32),
    }


def test_the_head_alone_learns_and_from_what_the_main_policy_does_in_the_same_view(batch):
    head, main = drawn(OBJECTIVE.init).params, drawn(MAIN.init)

    @jax.jit
    def measured(head, main, batch):
        def loss(head, main):
            frozen = DistillationConstants(NORMALIZER, WORDS, main)
            found = OBJECTIVE.loss(Variables(head, {}), frozen, batch, jax.random.key(0))
            return found.loss, found.metrics["loss/l1"]

        _, view_key = jax.random.split(jax.random.key(0))
        given = main["backbone"], NORMALIZER, PolicyInputs(**batch), view_key
        seen = MAIN.backbone.augmented_features(OBJECTIVE.augmentation, *given)[:, :2]
        acted = MAIN.teacher.apply({"params": main["regression_head"]}, seen)
        return *jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(head, main), acted

    head["actions"] = jax.tree.map(lambda leaf: 1e-5 * leaf, head["actions"])  # it drafts next to nothing
    (_, l1), gradients, acted = measured(head, main, batch)
    assert float(l1) == pytest.approx(float(jnp.abs(acted).mean()), rel=1e-3)
    of_head, of_main = (max(float(abs(leaf).max()) for leaf in jax.tree.leaves(each)) for each in gradients)
    assert of_head > 0
    assert of_main == 0
