"""A compact backbone that foresees several chunks, and remembers what another one made of an earlier frame."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.cameras import KeypointCamera
from rsd_jax.backbones.compact import CompactBackbone
from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.backbones.interface import Memory, PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer

SIZES = {
    "camera": KeypointCamera(features=(4,), kernels=(5,), strides=(4,), keypoints=4),
    **{"image_size": 16, "width": 16, "depth": 1, "heads": 2, "mlp_features": 32},
}
PLAIN = CompactBackbone(**SIZES)
REMEMBERING = CompactBackbone(chunks=3, memory_steps=16, memory_width=5, oldest_memory=2, **SIZES)
NORMALIZER = ProprioNormalizer(offset=jnp.zeros(8), scale=jnp.ones(8))
ROWS = 3


def params_of(backbone):
    """Shapes of its parameters: nothing is compiled to draw any."""
    return nn.meta.unbox(jax.eval_shape(backbone.init, jax.random.key(0)))


@pytest.fixture(scope="module")
def inputs() -> PolicyInputs:
    generator = np.random.default_rng(0)
    return PolicyInputs(
        images=jnp.asarray(generator.integers(0, 256, (ROWS, 2, 16, 16, 3), np.uint8)),
        proprio=jnp.asarray(generator.normal(size=(ROWS, 8)), jnp.float32),
        instruction_ids=jnp.asarray(np.stack([encode_instruction("put the mug on the plate")] * ROWS)),
    )


@pytest.fixture(scope="module")
def memory() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(ROWS, 16, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def features_of(inputs):
    """Features of the same frames by what is remembered, and by its age in each row."""
    generator = np.random.default_rng(2)
    params = jax.tree.map(lambda leaf: 0.3 * generator.standard_normal(leaf.shape, np.float32), params_of(REMEMBERING))
    compiled = jax.jit(lambda memory: REMEMBERING.features(params, NORMALIZER, inputs._replace(memory=memory)))
    return lambda features, ages: np.asarray(compiled(Memory(features, np.array(ages, np.int32))))


def test_one_feature_vector_for_each_step_of_every_chunk(features_of, memory):
    features = features_of(memory, [0, 1, 2])
    assert features.shape == (ROWS, 3 * 8, 16)
    # No two steps are told the same.
    assert len(np.unique(features[0].round(4), axis=0)) == 24


def test_a_memory_of_no_age_is_none_whatever_it_holds(features_of, memory):
    first, second = features_of(memory, [0, 1, 2]), features_of(memory + 1, [0, 1, 2])
    np.testing.assert_array_equal(first[0], second[0])
    assert (np.abs(first - second)[1:].max(axis=-1) > 1e-4).all()


def test_what_is_remembered_its_place_and_its_age_all_count(features_of, memory):
    features = features_of(memory, [1, 1, 1])
    for changed in (features_of(memory, [2, 2, 2]), features_of(memory[:, ::-1], [1, 1, 1])):
        assert (np.abs(changed - features).max(axis=-1) > 1e-4).all()


def test_a_memory_must_be_given_where_one_is_taken_and_nowhere_else(inputs, memory):
    def asked(backbone, features):
        ages = np.ones(ROWS, np.int32)
        seen = inputs._replace(memory=None if features is None else Memory(features, ages))
        backbone.features({}, NORMALIZER, seen)

    for backbone, given, message in (
        (REMEMBERING, None, r"is no memory, and this backbone takes a memory of \[S, F\] = \[16, 5\]; give it what"),
        (
            REMEMBERING,
            memory[:, 1:],
            r"is a memory of \[S, F\] = \[15, 5\], and this backbone takes a memory of .* \[16",
        ),
        (PLAIN, memory, r"is a memory of \[S, F\] = \[16, 5\], and this backbone takes no memory"),
    ):
        with pytest.raises(ValueError, match=f"inputs.memory {message}"):
            asked(backbone, given)


def test_what_is_not_used_is_not_written_and_what_is_comes_back():
    later = {"chunks", "memory_steps", "memory_width", "oldest_memory"}
    assert not later & set(PLAIN.to_json())
    assert CompactBackbone.from_json(PLAIN.to_json()) == PLAIN
    written = json.loads(json.dumps(REMEMBERING.to_json()))
    assert {name: written[name] for name in later} == {
        **{"chunks": 3, "memory_steps": 16, "memory_width": 5, "oldest_memory": 2}
    }
    assert CompactBackbone.from_json(written) == REMEMBERING
    with pytest.raises(ValueError, match="chunks is 0; it must be at least 1, the chunk that is acted on"):
        CompactBackbone(chunks=0)
    with pytest.raises(ValueError, match="memory_steps is 6; it must be a multiple of chunk_length = 8"):
        CompactBackbone(memory_steps=6)


def test_without_memory_the_parameters_are_those_of_the_time_before_it():
    def shapes(backbone):
        leaves, _ = jax.tree_util.tree_flatten_with_path(params_of(backbone))
        return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}

    plain, remembering = shapes(PLAIN), shapes(REMEMBERING)
    tops = {name.split("'")[1] for name in plain}
    assert tops == {"agentview", "wrist", "proprio", "instruction", "slots", "block_0", "final_norm"}
    added = set(remembering) - set(plain)
    assert added == {
        *("['memory']['tokens']['kernel']", "['memory']['tokens']['bias']"),
        *("['memory']['places']['embedding']", "['memory']['ages']['embedding']"),
    }
    assert {name for name in plain if plain[name] != remembering[name]} == {"['slots']['embedding']"}
    assert (plain["['slots']['embedding']"], remembering["['slots']['embedding']"]) == ((8, 16), (24, 16))
