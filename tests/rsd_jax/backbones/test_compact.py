import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.cameras import GridCamera, KeypointCamera, PatchCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction import INSTRUCTION_LENGTH, encode_instruction
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.distributed.sharding_rules import partition_spec
from rsd_jax.observation_needs import ObservationNeeds

SIZES = {"image_size": 16, "width": 16, "depth": 1, "heads": 2, "mlp_features": 32, "instruction_tokens": 2}
TINY = {
    "keypoints": CompactBackbone(camera=KeypointCamera(features=(4, 4, 4), keypoints=4), **SIZES),
    "grid": CompactBackbone(camera=GridCamera(features=(4, 8), blocks=(1, 0)), **SIZES),
    "patches": CompactBackbone(camera=PatchCamera((2, 2), (4, 8), blocks=1, keypoints=4), **SIZES),
}
NORMALIZER = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))


@pytest.fixture(scope="module")
def inputs() -> PolicyInputs:
    generator = np.random.default_rng(0)
    return PolicyInputs(
        images=jnp.asarray(generator.integers(0, 256, (3, 2, 32, 32, 3), np.uint8)),
        proprio=jnp.asarray(generator.normal(size=(3, 8)), jnp.float32),
        instruction_ids=jnp.asarray(np.stack([encode_instruction("put the left mug on the right plate")] * 3)),
    )


@pytest.fixture(scope="module", params=list(TINY))
def backbone(request) -> CompactBackbone:
    return TINY[request.param]


@pytest.fixture(scope="module")
def boxed_params(backbone: CompactBackbone) -> dict:
    return jax.jit(lambda key: backbone.init(key))(jax.random.key(0))


@pytest.fixture(scope="module")
def params(boxed_params: dict) -> dict:
    """Parameters as after some training: words, which start equal, differ."""
    unboxed = nn.meta.unbox(boxed_params)
    words = unboxed["instruction"]["words"]
    words["embedding"] = jax.random.normal(jax.random.key(1), words["embedding"].shape)
    return unboxed


@pytest.fixture(scope="module")
def compiled(backbone: CompactBackbone):
    return jax.jit(lambda params, inputs: backbone.features(params, NORMALIZER, inputs))


@pytest.fixture(scope="module")
def features_of(compiled, params: dict):
    return lambda inputs: np.asarray(compiled(params, inputs))


def test_one_feature_vector_a_chunk_step_and_observation(features_of, backbone, inputs: PolicyInputs) -> None:
    features = features_of(inputs)
    assert features.shape == (3, backbone.chunk_length, backbone.width)
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


def test_bfloat16_computes_nearly_the_same_features(backbone, params, features_of, inputs: PolicyInputs) -> None:
    unchanged = AugmentationConfig(shift=0.0, brightness=0.0, contrast=0.0, proprio_noise=0.0)
    arguments = (unchanged, params, NORMALIZER, inputs, jax.random.key(0))
    features = {
        dtype: np.asarray(jax.jit(lambda dtype=dtype: backbone.augmented_features(*arguments, compute_dtype=dtype))())
        for dtype in ("float32", "bfloat16")
    }
    np.testing.assert_allclose(features["float32"], features_of(inputs), atol=1e-4)
    assert features["bfloat16"].dtype == np.float32
    distance = np.abs(features["bfloat16"] - features["float32"])
    assert 0 < distance.mean() < 0.02


def test_a_word_never_trained_on_says_nothing(compiled, boxed_params, inputs: PolicyInputs) -> None:
    initial = nn.meta.unbox(boxed_params)
    other = encode_instruction("never seen a word of these before now")
    changed = inputs._replace(instruction_ids=jnp.broadcast_to(other, (3, INSTRUCTION_LENGTH)))
    np.testing.assert_array_equal(compiled(initial, inputs), compiled(initial, changed))


def test_a_backbone_survives_plain_values() -> None:
    for backbone in TINY.values():
        plain = json.loads(json.dumps(backbone.to_json()))
        assert CompactBackbone.from_json(plain) == backbone


def test_rejects_what_does_not_exist_or_fit() -> None:
    with pytest.raises(ValueError, match="width is 100; it must be a multiple of heads = 8"):
        CompactBackbone(width=100, heads=8)
    with pytest.raises(ValueError, match="camera kind is 'lidar'; it must be one of keypoints, grid, patches"):
        CompactBackbone.from_json({"camera": {"kind": "lidar"}})
    with pytest.raises(ValueError, match="unexpected keyword argument 'layers'"):
        CompactBackbone.from_json({"camera": {"kind": "grid"}, "layers": 3})


def test_it_is_shown_frames_as_demonstrations_store_them() -> None:
    needs = CompactBackbone().observation_needs
    assert needs == ObservationNeeds(image_size=STORED_SIZE, cameras=("agentview", "wrist"), state_size=8)
