import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from rsd_jax.backbones.eight_bit import (
    EIGHT_BITS,
    EightBitKernel,
    cast_others,
    in_eight_bits,
    linear_layers,
    multiply_in_eight_bits,
)
from rsd_jax.partitioned_layers import Dense, DenseGeneral


class Network(nn.Module):
    """A layer of each kind: one axis to one, one to two, and two to one."""

    @nn.compact
    def __call__(self, inputs):
        spread = DenseGeneral((2, 3), ("embed", "heads", "head_dim"), name="spread")(inputs)
        gathered = DenseGeneral((5,), ("heads", "head_dim", "embed"), inputs=2, use_bias=False, name="gathered")(
            spread
        )
        return Dense(4, ("embed", "embed"), name="last")(gathered)


INPUTS = jax.random.normal(jax.random.key(1), (6, 8))
KINDS = pytest.mark.parametrize("dtype", EIGHT_BITS)


@pytest.fixture(scope="module")
def params():
    drawn = nn.unbox(Network().init(jax.random.key(0), INPUTS))["params"]
    return jax.tree.map(lambda array: array + 0.1, drawn)  # so that biases count


def apply(params, inputs=INPUTS):
    with nn.intercept_methods(multiply_in_eight_bits):
        return Network().apply({"params": params}, inputs)


def layers_of(params):
    return linear_layers(lambda: Network().apply({"params": params}, INPUTS))


def test_layers_are_found_with_the_axes_that_they_sum_over(params):
    assert layers_of(params) == {("spread",): 1, ("gathered",): 2, ("last",): 1}


@KINDS
def test_products_are_those_of_the_layers_but_for_rounding(params, dtype):
    rounded = in_eight_bits(params, layers_of(params), dtype)
    exact, found = apply(params), apply(rounded)
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert 0 < error < {"int8": 0.02, "float8_e4m3fn": 0.08}[dtype]


@KINDS
def test_numbers_that_eight_bits_hold_are_multiplied_exactly(dtype):
    """Powers of two and their sums, with a largest magnitude whose scale is one."""
    most = 127.0 if dtype == "int8" else 448.0
    kernel = jnp.array([[most, 1.0], [2.0, -most], [-4.0, 8.0]])
    inputs = jnp.array([[most, 2.0, 4.0], [8.0, -most, 16.0]])
    params = {"kernel": kernel, "bias": jnp.array([1.0, 2.0])}
    layer = Dense(2, ("embed", "embed"))
    rounded = in_eight_bits(params, {(): 1}, dtype)
    with nn.intercept_methods(multiply_in_eight_bits):
        found = layer.apply({"params": rounded}, inputs)
    np.testing.assert_array_equal(found, inputs @ kernel + params["bias"])


@KINDS
def test_each_token_and_each_output_has_a_scale_of_its_own(params, dtype):
    """What is a million times as large beside it takes no precision from a small token or output."""
    rounded = in_eight_bits(params, layers_of(params), dtype)
    with_large = jnp.concatenate([INPUTS, 1e6 * INPUTS[:1]])
    np.testing.assert_array_equal(apply(rounded, with_large)[:-1], apply(rounded))
    kernel = params["last"]["kernel"]
    wide = in_eight_bits({"kernel": kernel.at[:, 0].multiply(1e6)}, {(): 1}, dtype)["kernel"]
    plain = in_eight_bits({"kernel": kernel}, {(): 1}, dtype)["kernel"]
    np.testing.assert_array_equal(wide.values[1:].astype(jnp.float32), plain.values[1:].astype(jnp.float32))


@KINDS
def test_zeros_stay_zeros(params, dtype):
    zeros = jax.tree.map(jnp.zeros_like, params)
    assert not jnp.any(apply(in_eight_bits(zeros, layers_of(params), dtype)))
    assert jnp.all(jnp.isfinite(apply(in_eight_bits(params, layers_of(params), dtype), jnp.zeros_like(INPUTS))))


def test_only_what_is_not_in_eight_bits_is_cast(params):
    rounded = in_eight_bits(params, {("last",): 1})
    cast = cast_others(rounded, "bfloat16")
    assert isinstance(cast["last"]["kernel"], EightBitKernel)
    assert cast["last"]["kernel"].values.dtype == jnp.float8_e4m3fn
    assert cast["last"]["kernel"].scale.dtype == jnp.float32
    assert cast["last"]["bias"].dtype == cast["spread"]["kernel"].dtype == jnp.bfloat16


def test_another_type_is_refused(params):
    with pytest.raises(ValueError, match="dtype is 'int4'; it must be one of float8_e4m3fn, int8"):
        in_eight_bits(params, layers_of(params), "int4")
