import json
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.choice import describe_backbone, make_backbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.interface import KeepsFiles, Memory, PolicyInputs
from rsd_jax.backbones.openvla import image_preparation
from rsd_jax.backbones.openvla.augmentation import OftAugmentation
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import OPENVLA_7B, TINY, LanguageSizes, TowerSizes
from rsd_jax.backbones.openvla.image_preparation import whole_frames
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.distributed.sharding_rules import state_shardings

BACKBONE = OpenVlaBackbone(TINY)


def test_it_is_made_from_what_it_says_of_itself():
    plain = json.loads(json.dumps(describe_backbone(BACKBONE)))
    assert plain["kind"] == "openvla"
    assert make_backbone(**plain) == BACKBONE
    assert hash(make_backbone(**plain)) == hash(BACKBONE)
    assert make_backbone("openvla", sizes="tiny") == BACKBONE
    with pytest.raises(ValueError, match="sizes is 'huge'; it must be one of openvla_7b, tiny, or all sizes"):
        make_backbone("openvla", sizes="huge")
    with pytest.raises(ValueError, match=r"\['depth'\] are no fields of OpenVlaBackbone"):
        make_backbone("openvla", depth=3)
    with pytest.raises(ValueError, match="compute_dtype is 'int8'; it must be 'bfloat16' or 'float32'"):
        make_backbone("openvla", compute_dtype="int8")


@pytest.fixture(scope="module")
def published():
    """Shapes of the published sizes, with names of axes."""
    return jax.eval_shape(OpenVlaBackbone(OPENVLA_7B).init, jax.random.key(0))


def test_every_parameter_names_axes_that_have_rules(published):
    boxes = jax.tree.leaves(published, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned))
    assert all(isinstance(leaf, nn.LogicallyPartitioned) for leaf in boxes)
    shardings = state_shardings(published, make_mesh(MeshConfig()))
    block = shardings["language_model"]["block_0"]
    assert block["qkv"]["kernel"].spec == jax.P("fsdp", None, "tensor", None)
    assert block["gate_up"]["kernel"].spec == jax.P("fsdp", None, "tensor")
    assert shardings["language_model"]["embedding"]["embedding"].spec == jax.P("tensor", "fsdp")


def test_the_published_sizes_have_the_published_number_of_parameters(published):
    """Llama-2's 6,738,415,616 and 64 more tokens in and out; the towers have less their last block than timm's."""
    by_part = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in nn.unbox(published).items()}
    assert by_part["language_model"] == 6_738_415_616 + 2 * 64 * 4096
    assert (by_part["dinov2"] // 10**6, by_part["siglip"] // 10**6) == (290, 397)


def test_features_are_the_states_of_a_steps_slots():
    assert (BACKBONE.width, BACKBONE.slots, BACKBONE.chunks) == (7 * 64, 56, 1)
    assert BACKBONE.observation_needs.image_size == 256
    inputs = PolicyInputs(jnp.zeros((2, 2, 256, 256, 3), jnp.uint8), jnp.zeros((2, 8)), jnp.ones((2, 48), jnp.int32))
    normalizer = ProprioNormalizer(jnp.zeros(8), jnp.ones(8))
    params = jax.eval_shape(BACKBONE.init, jax.random.key(0))
    features = jax.eval_shape(BACKBONE.features, nn.unbox(params), normalizer, inputs)
    assert (features.shape, features.dtype) == ((2, 8, 448), jnp.float32)
    augmented = partial(BACKBONE.augmented_features, AugmentationConfig())
    features = jax.eval_shape(augmented, nn.unbox(params), normalizer, inputs, jax.random.key(0))
    assert (features.shape, features.dtype) == ((2, 8, 448), jnp.float32)
    memory = Memory(jnp.zeros((2, 8, 4)), jnp.ones(2, jnp.int32))
    with pytest.raises(ValueError, match=r"inputs\.memory is given, and this backbone takes none"):
        BACKBONE.prepare(normalizer, inputs._replace(memory=memory))


def test_fine_tuning_crops_whole_frames_in_place_of_evaluations_crop(monkeypatch):
    """What changes nothing, cropping included, hands the network frames as they were resized."""
    images = jax.random.bits(jax.random.key(0), (1, 2, 32, 32, 3), jnp.uint8)
    inputs = PolicyInputs(images, jnp.zeros((1, 8)), jnp.ones((1, 48), jnp.int32))
    nothing = OftAugmentation(area=1, brightness=0, contrast=0, saturation=0, hue=0)
    monkeypatch.setattr(image_preparation, "round_trip", lambda frames: frames)
    monkeypatch.setattr(OpenVlaBackbone, "apply", lambda self, method, params, frames, *more, **kinds: frames)
    normalizer = ProprioNormalizer(jnp.zeros(8), jnp.ones(8))
    seen = BACKBONE.augmented_early_tokens(nothing, {}, normalizer, inputs, jax.random.key(0), 0)
    np.testing.assert_allclose(seen, whole_frames(images, 28), atol=1e-3)
    assert np.abs(np.asarray(seen) - np.asarray(BACKBONE.prepare(normalizer, inputs).frames)).max() > 10


def test_the_state_ends_where_the_ranges_do():
    state = jnp.array([[-3.0, -1.0, 0.5, 1.0, 3.0]])
    inputs = PolicyInputs(jnp.zeros((1, 1, 32, 32, 3), jnp.uint8), state, jnp.ones((1, 48), jnp.int32))
    normalizer = ProprioNormalizer(jnp.zeros(5), jnp.ones(5))
    assert BACKBONE.prepare(normalizer, inputs).state.tolist() == [[-1.0, -1.0, 0.5, 1.0, 1.0]]
    assert replace(BACKBONE, state_size=0).prepare(normalizer, inputs).state is None


def test_its_files_lie_in_the_checkpoint(tmp_path):
    assert isinstance(BACKBONE, KeepsFiles)
    assert BACKBONE.with_files(tmp_path).tokenizer_file == str(tmp_path / "published/tokenizer.json")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TowerSizes(10, 3, 4, 8), "width is 10; it must be a multiple of heads = 4"),
        (lambda: TowerSizes(8, 3, 4, 8, image_size=30), "image_size is 30; it must be a multiple of patch_size=14"),
        (lambda: TowerSizes(8, 1, 4, 8), "depth is 1; it must be at least 2"),
        (lambda: LanguageSizes(width=12, heads=4), "width is 12; it must be a multiple of 2 x heads = 8"),
        (
            lambda: replace(TINY, siglip=OPENVLA_7B.siglip),
            r"\(28, 4\) and \(224, 256\); they must be equal",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
