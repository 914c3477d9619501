"""What a compact backbone can know of absolute places, and options that take some of it away."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.cameras import GridCamera, KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer, augment_proprio, told_of

SIZES = {"image_size": 8, "width": 8, "depth": 0, "heads": 2, "mlp_features": 8}
SMALL = CompactBackbone(camera=KeypointCamera(features=(2,), kernels=(3,), strides=(2,), keypoints=2), **SIZES)
NORMALIZER = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))


@pytest.fixture(scope="module")
def inputs():
    generator = np.random.default_rng(0)
    return PolicyInputs(
        images=jnp.asarray(generator.integers(0, 256, (1, 2, 8, 8, 3), np.uint8)),
        proprio=jnp.arange(1.0, 9.0)[None] / 9,
        instruction_ids=jnp.asarray(encode_instruction("lift the mug"))[None],
    )


def params_of(backbone):
    return nn.meta.unbox(jax.jit(backbone.init)(jax.random.key(0)))


def tokens_of(backbone, inputs):
    """Tokens before the first block, of inputs in which fields are changed."""
    params = params_of(backbone)
    run = jax.jit(lambda given: backbone.early_tokens(params, NORMALIZER, given, blocks=0))
    return lambda changed: np.asarray(run(inputs._replace(**changed)))


def test_of_the_robots_state_only_what_is_told_differs_from_the_mean():
    state = jnp.arange(1.0, 9.0)[None]
    assert told_of(state, "all") is state
    assert told_of(state, "without_position").tolist() == [[0, 0, 0, 4, 5, 6, 7, 8]]
    assert told_of(state, "none").tolist() == [[0] * 8]


@pytest.mark.parametrize(("told", "known"), [("without_position", [False, True]), ("none", [False, False])])
def test_the_network_does_not_see_what_it_is_not_told(told, known, inputs):
    tokens = tokens_of(CompactBackbone(**{**vars(SMALL), "proprio": told}), inputs)
    height, turn = (inputs.proprio.at[0, index].set(0) for index in (2, 3))
    assert [(tokens({"proprio": changed}) != tokens({})).any() for changed in (height, turn)] == known


def test_noise_in_training_tells_nothing_either(inputs):
    backbone, params = CompactBackbone(**{**vars(SMALL), "proprio": "none"}), params_of(SMALL)
    noise = AugmentationConfig(0.0, 0.0, 0.0, proprio_noise=1.0)
    run = jax.jit(lambda key: backbone.augmented_early_tokens(noise, params, NORMALIZER, inputs, key, 0))
    np.testing.assert_array_equal(*(run(jax.random.key(seed)) for seed in (1, 2)))


def test_dropout_replaces_the_whole_state_of_its_share_of_the_rows_and_changes_no_other():
    state = jnp.ones((4000, 8))
    config = {"proprio_noise": 0.5}
    noised = augment_proprio(jax.random.key(0), state, AugmentationConfig(**config))
    dropped = augment_proprio(jax.random.key(0), state, AugmentationConfig(**config, proprio_dropout=0.25))
    is_mean = np.asarray(dropped == 0).all(axis=1)
    assert abs(is_mean.mean() - 0.25) < 0.03
    np.testing.assert_array_equal(dropped[~is_mean], noised[~is_mean])
    with pytest.raises(ValueError, match=r"proprio_dropout is 1\.5; it must lie between 0 and 1"):
        AugmentationConfig(proprio_dropout=1.5)


def test_keypoints_of_the_wrist_are_two_more_tokens_that_see_the_wrist_alone(inputs):
    tokens = tokens_of(CompactBackbone(**{**vars(SMALL), "wrist_keypoints": 3}), inputs)
    plain = tokens({})
    assert plain.shape[1] == tokens_of(SMALL, inputs)({}).shape[1] + 2
    for camera, sees in ((0, False), (1, True)):
        blanked = tokens({"images": inputs.images.at[:, camera].set(0)})
        assert (blanked[:, 4:6] != plain[:, 4:6]).any() == sees


def test_places_by_coordinates_change_linearly_over_the_frame():
    camera = GridCamera(features=(2,), blocks=(0,), places="coordinates")
    encoder = camera.encoder(width=4, name="camera")
    given = jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 4))
    variables = nn.meta.unbox(jax.jit(encoder.init)(jax.random.key(0), *given))
    tokens = np.asarray(jax.jit(encoder.apply)(variables, *given)).reshape(4, 4, 4)  # of a blank frame: places alone
    right, down = variables["params"]["places"]["kernel"] * 2 / 3  # from one place to the next, of 4 from -1 to 1
    np.testing.assert_allclose(tokens[:, 1:] - tokens[:, :-1], np.broadcast_to(right, (4, 3, 4)), atol=1e-5)
    np.testing.assert_allclose(tokens[1:] - tokens[:-1], np.broadcast_to(down, (3, 4, 4)), atol=1e-5)


def test_checkpoints_tell_of_these_options_where_they_are_used_and_else_stay_as_they_were():
    assert AugmentationConfig().to_json().keys() == {"shift", "brightness", "contrast", "proprio_noise", "reworded"}
    assert AugmentationConfig(proprio_dropout=0.5).to_json()["proprio_dropout"] == 0.5
    without = CompactBackbone(camera=GridCamera()).to_json()
    assert not {"proprio", "wrist_keypoints"} & without.keys()
    assert without["camera"].keys() == {"kind", "features", "blocks"}
    used = CompactBackbone(camera=GridCamera(places="coordinates"), proprio="none", wrist_keypoints=4)
    assert CompactBackbone.from_json(json.loads(json.dumps(used.to_json()))) == used


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CompactBackbone(proprio="some"), "proprio is 'some'; it must be one of all, without_position, none"),
        (lambda: CompactBackbone(wrist_keypoints=-1), "wrist_keypoints is -1; it must be 0"),
        (lambda: GridCamera(places="none"), "places of a camera is 'none'; it must be one of learned, coordinates"),
    ],
)
def test_impossible_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
