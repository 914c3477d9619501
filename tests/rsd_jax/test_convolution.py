"""Convolutions by products of patches are the library's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax import convolution
from rsd_jax.convolution import convolve, convolve_by_product
from rsd_jax.partitioned_layers import Conv

DIMENSIONS = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize(
    ("side", "window", "stride", "padding"),
    [(16, 5, 2, "SAME"), (17, 3, 2, "SAME"), (9, 3, 1, "SAME"), (8, 1, 1, "VALID"), (11, 4, 3, ((2, 0), (1, 3)))],
)
def test_products_of_patches_are_convolutions(side, window, stride, padding):
    maps = jax.random.normal(jax.random.key(0), (2, side, side + 1, 3))
    kernel = jax.random.normal(jax.random.key(1), (window, window, 3, 5))
    strides = (stride, stride)
    expected = jax.lax.conv_general_dilated(maps, kernel, strides, padding, dimension_numbers=DIMENSIONS)
    pads = padding
    if isinstance(padding, str):
        pads = jax.lax.padtype_to_pads(maps.shape[1:-1], kernel.shape[:-2], strides, padding)
    found = convolve_by_product(maps, kernel, strides, pads)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(("rows", "by_product"), [(1, True), (convolution.LARGEST_PRODUCT_BATCH + 1, False)])
def test_a_layer_multiplies_the_patches_of_few_rows_on_a_gpu(monkeypatch, axes, rows, by_product):
    layer = Conv(4, (3,) * axes, (None, None), strides=2)
    maps = jax.random.normal(jax.random.key(2), (rows, *(9,) * axes, 3))
    variables = layer.init(jax.random.key(3), maps)
    expected = layer.apply(variables, maps)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_allclose(layer.apply(variables, maps), expected, rtol=1e-5, atol=1e-5)
    assert ("conv_general_dilated" not in str(jax.make_jaxpr(layer.apply)(variables, maps))) == by_product


def test_gradients_are_those_of_the_library():
    maps, kernel = jnp.ones((1, 6, 6, 2)), jax.random.normal(jax.random.key(4), (3, 3, 2, 2))

    def by_library(kernel):
        return jnp.sum(convolve(maps, kernel, (1, 1), "SAME", dimension_numbers=DIMENSIONS) ** 2)

    def by_product(kernel):
        return jnp.sum(convolve_by_product(maps, kernel, (1, 1), ((1, 1), (1, 1))) ** 2)

    np.testing.assert_allclose(jax.grad(by_product)(kernel), jax.grad(by_library)(kernel), rtol=1e-4)
