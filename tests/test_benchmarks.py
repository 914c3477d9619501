"""What benchmarks compute beside their timings."""

import jax
import jax.numpy as jnp
import pytest

from tests.benchmarks import policy_sensitivity
from tests.benchmarks.policy_step_speed import count_operations


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


def test_the_originals_engine_gives_a_token_for_every_place_of_the_code():
    torch = pytest.importorskip("torch")
    from tests.benchmarks.original_engine import OriginalEngine

    with torch.inference_mode():
        engine = OriginalEngine(features=8, device="cpu")
        tokens, agreement = engine.find_tokens(torch.zeros(2, 8))
        assert tokens.shape == (2, 8, 16, 8)
        assert 0 <= agreement <= 1
        assert engine.actions(tokens).shape == (2, 8, 7)


def test_a_policys_sensitivity_is_measured_for_every_change_and_both_parts(preflight_run, monkeypatch):
    monkeypatch.setattr(policy_sensitivity, "BATCH", 64)  # as many as are looked at
    found = policy_sensitivity.measure(preflight_run, most=64)
    assert list(found["draft"]) == ["draft, learned from", "draft, held out"]
    assert len(found["views"]) == 5
    for figures in (*found["draft"].values(), *found["views"].values()):
        assert figures["within_0.05"] <= figures["within_0.1"] <= figures["within_0.2"]
    assert found["views"]["main policy, one level brighter"]["l1"] > 0
