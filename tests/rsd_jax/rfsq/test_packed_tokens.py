import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.rfsq import dequantize, quantize
from rsd_jax.rfsq.packed_tokens import dequantize_packed, quantize_packed
from rsd_jax.rfsq.strategies import Geometric, Nested, Staggered


@pytest.mark.parametrize(
    "strategy", [Staggered(), Nested(num_layers=6, splits=4), Geometric(num_layers=3), Geometric(num_layers=4)]
)
def test_bytes_are_the_tokens(strategy) -> None:
    table = strategy.fixed_table()
    latents = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (5, 8, 16)), jnp.float32)
    tokens, packed = quantize(table, latents), quantize_packed(table, latents)
    assert packed.dtype == jnp.int8
    np.testing.assert_array_equal(packed, tokens)
    np.testing.assert_array_equal(dequantize_packed(table, packed), dequantize(table, tokens))
