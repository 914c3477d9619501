from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.eight_bit import EIGHT_BITS, EightBitKernel
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import TINY
from tests.rsd_jax.random_params import random_params

BACKBONE = OpenVlaBackbone(TINY, compute_dtype="float32")
KEY = jax.random.key(1)
INPUTS = (
    jax.random.randint(KEY, (2, 2, 28, 28, 3), 0, 256).astype(jnp.uint8),
    jax.random.normal(KEY, (2, 8)),
    jax.random.randint(KEY, (2, 48), 3, 100),
)


@pytest.fixture(scope="module")
def params():
    return random_params(BACKBONE.init, 0)


states = jax.jit(partial(BACKBONE.apply, "slot_states"))


@pytest.fixture(scope="module")
def exact(params):
    return states(params, *INPUTS)


def eight_bit_paths(params):
    flat, _ = jax.tree.flatten_with_path(params, is_leaf=lambda leaf: isinstance(leaf, EightBitKernel))
    return {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, leaf in flat
        if isinstance(leaf, EightBitKernel)
    }


@pytest.mark.parametrize(("dtype", "most"), list(zip(EIGHT_BITS, (0.15, 0.05), strict=True)))
def test_states_are_those_of_the_network_but_for_rounding(params, exact, dtype, most):
    for parts in (("language_model",), ("language_model", "dinov2", "siglip")):
        found = states(BACKBONE.in_eight_bits(params, parts, dtype), *INPUTS)
        assert 0 < np.linalg.norm(found - exact) / np.linalg.norm(exact) < most


def test_every_product_of_the_named_blocks_is_in_eight_bits(params):
    of_blocks = {
        f"language_model/block_{block}/{name}/kernel"
        for block in range(3)
        for name in ("qkv", "out", "gate_up", "down")
    }
    assert eight_bit_paths(BACKBONE.in_eight_bits(params)) == of_blocks
    towers = eight_bit_paths(BACKBONE.in_eight_bits(params, ("siglip",)))
    names = ("qkv", "out", "mlp/up", "mlp/down")
    assert towers == {f"siglip/block_{block}/{name}/kernel" for block in range(3) for name in names}


def test_a_part_without_blocks_is_refused(params):
    with pytest.raises(ValueError, match="parts has projector; it must be some of language_model, dinov2, siglip"):
        BACKBONE.in_eight_bits(params, ("projector",))
