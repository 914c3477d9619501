"""Leaving the language model between two of its blocks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.early_exit import early_exit_backbone
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import TINY
from rsd_jax.backbones.openvla.token_sequence import PADDING
from rsd_jax.backbones.proprioception import ProprioNormalizer

BACKBONE = OpenVlaBackbone(TINY, prompt_length=5, compute_dtype="float32")
NORMALIZER = ProprioNormalizer(jnp.zeros(8), jnp.ones(8))


@pytest.fixture(scope="module")
def params():
    return nn.unbox(jax.jit(BACKBONE.init)(jax.random.key(0)))


@pytest.fixture(scope="module")
def inputs():
    """Two rows whose prompts differ in length."""
    images = jax.random.randint(jax.random.key(1), (2, 2, 256, 256, 3), 0, 256).astype(jnp.uint8)
    words = jnp.array([[1, 300, 301, 302, 29871], [1, 300, 29871, PADDING, PADDING]])
    return PolicyInputs(images, jnp.zeros((2, 8)), words)


@pytest.fixture(scope="module")
def found(params, inputs):
    """Features of all blocks, of two, and of each cut in two; and what is read of the slots behind two blocks."""

    @jax.jit
    def run(params, inputs):
        given = params, NORMALIZER, inputs
        early = BACKBONE.early_tokens(*given, 2)
        return {
            "all": BACKBONE.features(*given),
            "two": replace(BACKBONE, exit_block=2).features(*given),
            "cut": BACKBONE.features_from(params, early, 2),
            "none behind": replace(BACKBONE, exit_block=2).features_from(params, early, 2),
            "slots": BACKBONE.exit_slots(early),
        }

    return jax.tree.map(np.asarray, run(params, inputs))


def test_blocks_behind_the_exit_do_not_count(found, params, inputs):
    assert np.abs(found["all"] - found["two"]).max() > 0.01
    np.testing.assert_allclose(found["two"], found["none behind"], atol=1e-6)
    without = jax.tree.map(jnp.zeros_like, params["language_model"]["block_2"])
    lacking = {**params, "language_model": {**params["language_model"], "block_2": without}}
    features = jax.jit(replace(BACKBONE, exit_block=2).features)(lacking, NORMALIZER, inputs)
    np.testing.assert_allclose(features, found["two"], atol=1e-5)


def test_who_leaves_can_go_on(found):
    np.testing.assert_allclose(found["cut"], found["all"], atol=1e-6)
    assert early_exit_backbone(BACKBONE, 3) is BACKBONE
    with pytest.raises(ValueError, match="blocks is 3; it must be at least 1 and at most depth = 2"):
        early_exit_backbone(replace(BACKBONE, exit_block=2), 3)


def test_a_heads_slots_are_those_that_the_norm_reads(found):
    by_slot = found["slots"].reshape(2, 8, 7, 64)
    scaled = by_slot / np.sqrt(np.square(by_slot).mean(axis=-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(scaled.reshape(2, 8, 448), found["two"], atol=1e-5)


@pytest.mark.parametrize("block", [0, 4])
def test_an_exit_is_at_one_of_the_blocks(block):
    with pytest.raises(ValueError, match=f"exit_block is {block}; it must be from 1 to depth = 3, or None for all"):
        replace(BACKBONE, exit_block=block)
