import jax
import jax.numpy as jnp
import pytest

from rsd_jax.distributed.operation_count import bytes_kept, count_operations


def operations(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return count_operations(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_a_matrix_product_multiplies_and_adds_for_every_output_and_contracted_index():
    assert operations(jnp.matmul, (2, 3), (3, 5)) == 2 * 2 * 3 * 5


def test_additions_alone_do_not_count():
    assert operations(lambda x: jnp.tanh(x) + 1.0, (2, 3)) == 0


@pytest.mark.parametrize("length", [1, 7])
def test_batched_products_in_a_compiled_scan_count_as_often_as_it_runs(length):
    """A batch of 4 products, beside one product behind the scan."""

    @jax.jit
    def function(x, weights):
        x, _ = jax.lax.scan(lambda x, _: (jnp.einsum("bij,bjk->bik", x, weights), None), x, length=length)
        return x[0] @ weights[0]

    product = 2 * 2 * 3 * 3
    assert operations(function, (4, 2, 3), (4, 3, 3)) == length * 4 * product + product


def test_scans_in_scans_multiply():
    def inner(x, _):
        return jax.lax.scan(lambda x, _: (x @ x, None), x, length=3)

    assert operations(lambda x: jax.lax.scan(inner, x, length=5)[0], (2, 2)) == 5 * 3 * 2 * 2 * 2 * 2


def test_a_product_that_is_recomputed_in_the_backward_pass_is_seen():
    assert operations(jax.checkpoint(jnp.matmul), (2, 3), (3, 5)) == 2 * 2 * 3 * 5


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_multiplies_its_whole_kernel_at_every_output(stride, groups):
    """3x3, from 4 to 6 channels, on an 8x8 image: edges count as if padding were data."""

    def convolve(image, kernel):
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    outputs = 2 * (8 // stride) ** 2 * 6
    assert operations(convolve, (2, 8, 8, 4), (3, 3, 4 // groups, 6)) == 2 * outputs * 3 * 3 * (4 // groups)


def test_the_backward_pass_keeps_what_it_multiplies_with():
    """Of a square behind a product: the inputs for the weights' gradient, and the product for the square's."""
    inputs = jnp.ones((5, 3))
    assert bytes_kept(lambda weights: jnp.sum(jnp.square(inputs @ weights)), jnp.ones((3, 2))) == 4 * (5 * 3 + 5 * 2)
