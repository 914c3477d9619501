"""Plain OpenVLA's tokens, drafted and verified, are those that it decodes one by one."""

import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.backbones.openvla.action_tokens import autoregressive_tokens
from rsd_jax.backbones.openvla.backbone import NetworkInputs, OpenVlaBackbone
from rsd_jax.backbones.openvla.digit_network import DigitMain
from rsd_jax.backbones.openvla.token_network import token_network
from rsd_jax.backbones.openvla.token_sequence import EMPTY, PADDING
from rsd_jax.decoding import CodeShape, DecodeResult, autoregressive, fixed_point, speculative_greedy
from tests.rsd_jax.backbones.openvla.test_digit_network import SIZES
from tests.rsd_jax.random_params import random_params

BACKBONE = OpenVlaBackbone(
    SIZES, cameras=("agentview",), state_size=0, chunk_length=2, action_dim=3, is_causal=True, compute_dtype="float32"
)
PROMPTS = np.array([[1, 11, 12, 13, EMPTY], [1, 21, EMPTY, PADDING, PADDING]], np.int32)
SHAPE = CodeShape(1, 1, 6, 3, jnp.ones((6, 1), bool))


def test_drafted_and_verified_tokens_are_those_of_one_by_one():
    """By the cache of `continue_text`, whose passes know nothing of slots and their mask."""
    rng = np.random.default_rng(0)
    inputs = NetworkInputs(rng.integers(0, 256, (2, 1, 28, 28, 3), np.uint8), None, PROMPTS)
    params = jax.tree.map(jnp.asarray, random_params(BACKBONE.init, 0))
    expected = np.asarray(jax.jit(lambda: autoregressive_tokens(BACKBONE, params, inputs))()).reshape(2, 6)

    @jax.jit
    def decode(drafted: jax.Array) -> tuple[DecodeResult, ...]:
        main = DigitMain(token_network(BACKBONE.network()), {"network": params})

        def draft(features: NetworkInputs, tokens: jax.Array, position: jax.Array | int) -> jax.Array:
            return jax.nn.one_hot(drafted[:, None, None], SIZES.language.vocabulary)

        return (
            autoregressive(inputs, main, SHAPE, 2, unrolled=False),
            fixed_point(inputs, main, SHAPE, 2, unrolled_passes=1),
            speculative_greedy(inputs, draft, main, SHAPE, 2),
            speculative_greedy(inputs, draft, main, SHAPE, 2, scores_all_layers=False),
        )

    is_right = np.array([[1, 1, 0, 1, 1, 1], [0, 1, 1, 1, 0, 1]], bool)
    for drafted in (expected, np.where(is_right, expected, 7), np.full_like(expected, 7)):
        for result in decode(drafted):
            np.testing.assert_array_equal(result.tokens[:, 0, 0], expected)
    assert len(np.unique(expected)) > 3
