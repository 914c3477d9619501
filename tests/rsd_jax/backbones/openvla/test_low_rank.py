"""Adapters beside layers, and merged into them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.openvla.adapted_backbone import ADAPTERS, BASE, with_adapters
from rsd_jax.backbones.openvla.backbone import NetworkInputs, OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import OPENVLA_7B, TINY
from rsd_jax.backbones.openvla.low_rank import LAYERS, LowRankConfig, by_layer, draw_adapters, merge, merged_kernel
from rsd_jax.distributed.mesh import MeshConfig, make_mesh
from rsd_jax.distributed.sharding_rules import state_shardings
from tests.rsd_jax.random_params import random_params

BACKBONE = OpenVlaBackbone(TINY, compute_dtype="float32")
CONFIG = LowRankConfig(rank=3, alpha=6.0)
INPUTS = NetworkInputs(
    jnp.asarray(np.random.default_rng(0).integers(0, 256, (1, 2, 28, 28, 3), np.uint8)),
    jnp.linspace(-1, 1, 8)[None],
    jnp.arange(1, 49, dtype=jnp.int32)[None],
)


@pytest.fixture(scope="module")
def states():
    """Of the slots: from an adapted backbone's parameters, and from plain ones."""
    adapted = with_adapters(BACKBONE, CONFIG)
    programs = [jax.jit(partial(of.apply, "slot_states")) for of in (adapted, BACKBONE)]
    return [lambda params, run=run: run(params, *INPUTS) for run in programs]


@pytest.fixture(scope="module")
def params():
    """Adapters as they are drawn; to draw the network's own parameters too would compile for seconds."""
    drawn = jax.jit(lambda key: with_adapters(BACKBONE, CONFIG).init(key)[ADAPTERS])(jax.random.key(0))
    return {ADAPTERS: nn.unbox(drawn), BASE: random_params(BACKBONE.init, 0)}


def random(adapters):
    """Both matrices drawn, so that something is changed."""
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: np.float32(0.1) * generator.standard_normal(leaf.shape, np.float32), adapters)


def test_drawn_adapters_change_no_bit(states, params):
    run, plain = states
    np.testing.assert_array_equal(run(params), plain(params[BASE]))


def test_merged_and_beside_the_layers_they_do_the_same(states, params):
    run, plain = states
    changed = {**params, ADAPTERS: random(params[ADAPTERS])}
    merged = plain(jax.jit(partial(merge, CONFIG))(changed[ADAPTERS], changed[BASE]))
    np.testing.assert_allclose(run(changed), merged, atol=2e-4)
    assert float(jnp.abs(merged - plain(params[BASE])).mean()) > 0.1


def test_every_linear_layer_in_front_of_the_head_has_one_unless_it_is_left_out(params):
    layers = by_layer(params[ADAPTERS])
    assert {path[-1] for path in layers} == set(LAYERS)
    assert len(layers) == 4 * (3 + 2 + 3) + 3
    base = jax.eval_shape(BACKBONE.init, jax.random.key(0))
    only = LowRankConfig(layers=("qkv", "down"), parts=("language_model",))
    paths = by_layer(jax.eval_shape(lambda: nn.unbox(draw_adapters(only, base, jax.random.key(0)))))
    assert set(paths) == {("language_model", f"block_{i}", name) for i in range(3) for name in ("qkv", "down")}


def test_what_stands_side_by_side_in_a_kernel_has_an_adapter_each():
    """Two inputs, three side by side, one output each: only the second is changed."""
    adapter = {"lora_a": jnp.zeros((2, 3, 1)).at[:, 1, 0].set(jnp.array([1.0, 2.0])), "lora_b": jnp.ones((3, 1, 1, 1))}
    config = LowRankConfig(rank=1, alpha=0.5)
    kernel = jnp.zeros((2, 3, 1, 1), jnp.bfloat16)
    merged = merged_kernel(config, ("block_0", "qkv"), adapter, kernel)
    assert merged.dtype == jnp.bfloat16
    assert merged[:, :, 0, 0].tolist() == [[0, 0.5, 0], [0, 1, 0]]


def test_adapters_of_the_published_sizes_are_split_as_their_layers_are():
    mesh = make_mesh(MeshConfig())
    shapes = jax.eval_shape(with_adapters(OpenVlaBackbone(OPENVLA_7B), LowRankConfig()).init, jax.random.key(0))
    block = state_shardings(shapes[ADAPTERS], mesh)["language_model"]["block_0"]
    assert block["qkv"]["lora_a"].spec == jax.P("fsdp", None, None)
    assert block["qkv"]["lora_b"].spec == jax.P(None, None, "tensor", None)
    assert block["out"]["lora_a"].spec == jax.P("tensor", None, None)
    assert block["down"]["lora_b"].spec == jax.P(None, "fsdp")
    of_llama = jax.tree.leaves(nn.unbox(shapes[ADAPTERS]["language_model"]))
    assert sum(leaf.size for leaf in of_llama) == 79_953_920  # what peft counts at rank 32


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rank": 0}, "rank is 0; it must be at least 1"),
        ({"alpha": 0.0}, "alpha is 0.0; it must be positive"),
        ({"layers": ("query",)}, r"layers is \('query',\); it must hold some of qkv, out"),
        ({"parts": ()}, r"parts is \(\); it must hold some of language_model"),
        ({"dtype": "int8"}, "dtype is 'int8'; it must be one of float32, bfloat16"),
    ],
)
def test_impossible_settings_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        LowRankConfig(**fields)


def test_layers_that_are_nowhere_are_refused():
    base = jax.eval_shape(BACKBONE.init, jax.random.key(0))
    with pytest.raises(ValueError, match="are in none of parts="):
        draw_adapters(LowRankConfig(layers=("first",), parts=("siglip",)), base, jax.random.key(0))
