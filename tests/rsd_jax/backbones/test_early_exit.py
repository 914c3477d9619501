"""Leaving a backbone between its blocks, and going on from there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.cameras import KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.early_exit import early_exit_backbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from tests.rsd_jax.backbones.average_colours import AverageColours

BACKBONE = CompactBackbone(
    camera=KeypointCamera(features=(4,), kernels=(5,), strides=(4,), keypoints=4),
    **{"image_size": 16, "width": 16, "depth": 2, "heads": 2, "mlp_features": 32, "chunks": 2, "chunk_length": 2},
)
NORMALIZER = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))


@pytest.fixture(scope="module")
def params():
    shapes, generator = nn.meta.unbox(jax.eval_shape(BACKBONE.init, jax.random.key(0))), np.random.default_rng(0)
    return jax.tree.map(lambda leaf: 0.3 * generator.standard_normal(leaf.shape, np.float32), shapes)


@pytest.fixture(scope="module")
def inputs() -> PolicyInputs:
    generator = np.random.default_rng(1)
    return PolicyInputs(
        images=jnp.asarray(generator.integers(0, 256, (3, 2, 16, 16, 3), np.uint8)),
        proprio=jnp.asarray(generator.normal(size=(3, 8)), jnp.float32),
        instruction_ids=jnp.ones((3, INSTRUCTION_LENGTH), jnp.int32),
    )


def test_the_two_parts_together_are_the_whole_to_the_last_bit(params, inputs):
    """Compiled apart, as a decoder has them, and as one."""
    tokens = jax.jit(lambda: BACKBONE.early_tokens(params, NORMALIZER, inputs, 1))()
    rest = jax.jit(lambda tokens: BACKBONE.features_from(params, tokens, 1))(tokens)
    np.testing.assert_array_equal(rest, jax.jit(lambda: BACKBONE.features(params, NORMALIZER, inputs))())


def test_what_is_left_is_computed_in_the_type_of_the_tokens(params, inputs):
    def tokens_of(inputs):
        given = AugmentationConfig(), params, NORMALIZER, inputs, jax.random.key(2)
        return BACKBONE.augmented_early_tokens(*given, blocks=1, compute_dtype="bfloat16")

    tokens = jax.eval_shape(tokens_of, inputs)
    assert str(tokens.dtype) == "bfloat16"
    program = jax.make_jaxpr(lambda tokens: BACKBONE.features_from(params, tokens, 1))(tokens)
    assert str(program.out_avals[0].dtype) == "float32"
    products = [each for each in program.eqns if each.primitive.name == "dot_general"]
    assert {str(each.invars[1].aval.dtype) for each in products} == {"bfloat16"}


def test_the_first_chunks_slots_come_before_those_behind_it(params, inputs):
    """A slot's embedding reaches its own token alone, before any block."""
    tokens_of = jax.jit(lambda params: BACKBONE.early_tokens(params, NORMALIZER, inputs, 0))
    table = params["slots"]["embedding"].copy()
    table[1] += 1
    moved = tokens_of(dict(params, slots={"embedding": table})) - tokens_of(params)
    np.testing.assert_allclose(moved[:, :-4], 0)
    np.testing.assert_allclose(BACKBONE.exit_slots(moved)[..., 0], [[0, 1]] * 3, atol=1e-6)


def test_what_cannot_be_left_early_is_refused():
    assert early_exit_backbone(BACKBONE, 1) is BACKBONE
    with pytest.raises(ValueError, match=r"AverageColours cannot be left between its blocks.*EarlyExitBackbone"):
        early_exit_backbone(AverageColours(), 1)
    for blocks in (0, 3):
        with pytest.raises(ValueError, match=rf"blocks is {blocks}; it must be at least 1 and at most depth = 2"):
            early_exit_backbone(BACKBONE, blocks)
