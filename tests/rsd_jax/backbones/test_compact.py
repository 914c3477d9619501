import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.compact import CompactConfig, compact_features, initial_compact_params, spatial_softmax
from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH, encode_instruction
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.distributed.sharding_rules import partition_spec

TINY = CompactConfig(image_size=16, conv_features=(4, 4, 4), keypoints=4, width=16, depth=1, heads=2, mlp_features=32)
NORMALIZER = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))


@pytest.fixture(scope="module")
def inputs() -> PolicyInputs:
    generator = np.random.default_rng(0)
    return PolicyInputs(
        images=jnp.asarray(generator.integers(0, 256, (3, 2, 32, 32, 3), np.uint8)),
        proprio=jnp.asarray(generator.normal(size=(3, 8)), jnp.float32),
        instruction_ids=jnp.asarray(np.stack([encode_instruction("put the left mug on the right plate")] * 3)),
    )


@pytest.fixture(scope="module")
def boxed_params(inputs: PolicyInputs) -> dict:
    return jax.jit(lambda key: initial_compact_params(TINY, key, inputs))(jax.random.key(0))


@pytest.fixture(scope="module")
def features_of(boxed_params: dict):
    params = nn.meta.unbox(boxed_params)
    compiled = jax.jit(lambda inputs: compact_features(TINY, params, NORMALIZER, inputs))
    return lambda inputs: np.asarray(compiled(inputs))


def test_one_feature_vector_a_chunk_step_and_observation(features_of, inputs: PolicyInputs) -> None:
    features = features_of(inputs)
    assert features.shape == (3, TINY.chunk_length, TINY.width)
    assert np.isfinite(features).all()


def test_every_input_reaches_every_chunk_step(features_of, inputs: PolicyInputs) -> None:
    swapped = encode_instruction("put the right mug on the left plate")
    changes = {
        "agentview": inputs._replace(images=inputs.images.at[:, 0].set(0)),
        "wrist": inputs._replace(images=inputs.images.at[:, 1].set(0)),
        "proprio": inputs._replace(proprio=inputs.proprio + 1),
        "order of the words": inputs._replace(instruction_ids=jnp.broadcast_to(swapped, (3, INSTRUCTION_LENGTH))),
    }
    features = features_of(inputs)
    for name, changed in changes.items():
        distance = np.abs(features_of(changed) - features).max(axis=-1)
        assert (distance > 1e-4).all(), name


def test_observations_of_a_batch_do_not_mix(features_of, inputs: PolicyInputs) -> None:
    changed = features_of(inputs._replace(images=inputs.images.at[0].set(0), proprio=inputs.proprio.at[0].set(9)))
    np.testing.assert_allclose(changed[1:], features_of(inputs)[1:], atol=1e-5)


def test_every_parameter_has_logical_axes_with_a_rule(boxed_params: dict) -> None:
    leaves, _ = jax.tree_util.tree_flatten_with_path(
        boxed_params, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned)
    )
    for path, leaf in leaves:
        assert isinstance(leaf, nn.LogicallyPartitioned), jax.tree_util.keystr(path)
        assert len(leaf.names) == leaf.value.ndim, jax.tree_util.keystr(path)
        partition_spec(leaf.names, jax.tree_util.keystr(path))


def test_spatial_softmax_reads_a_peak_between_pixels() -> None:
    # A blob of two equal pixels in row 1, columns 2 and 3 of a 5 x 5 map: y = -0.5, x between 0 and 0.5.
    maps = jnp.full((1, 5, 5, 1), -50.0).at[0, 1, 2:4, 0].set(50.0)
    np.testing.assert_allclose(spatial_softmax(maps), [[0.25, -0.5]], atol=1e-6)


def test_rejects_incomplete_convolutions_and_odd_heads() -> None:
    with pytest.raises(ValueError, match="one entry for each convolution"):
        CompactConfig(conv_features=(8, 8))
    with pytest.raises(ValueError, match="width is 100; it must be a multiple of heads = 8"):
        CompactConfig(width=100, heads=8)
