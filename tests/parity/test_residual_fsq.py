"""Our geometric table against ResidualFSQ of vector-quantize-pytorch (lucidrains): the same code.

Its layer k has V levels ``2 i / (V - 1) V^-k``, i = -3 .. 3, and rounds half up, on values that are bounded softly by
``c tanh(x / c)`` with ``c = 1 + 1 / (V - 1)``, 7/6. Outermost cells reach as far beyond their level as the others do,
so the cells of layer 0 tile [-c, c], and those of layer k + 1 one cell of layer k. Divided by c that is our table:
cells of width ``2 / V V^-k`` tile [-1, 1], and latents are ``tanh(x / c)``.

In float32 neither keeps to it altogether. Theirs rounds what each layer leaves; in ours only the steps are rounded,
once, to 21 bits (`exactly_multipliable`), and the rest is exact. Both show where cells get as narrow as the rounding.
"""

from importlib.util import find_spec

import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.rfsq.residual_quantizer import dequantize, quantize
from rsd_jax.rfsq.strategies.fixed import Geometric

torch = pytest.importorskip("torch")
if find_spec("vector_quantize_pytorch") is None:
    pytest.skip("needs vector_quantize_pytorch", allow_module_level=True)

torch.set_num_threads(1)  # more would wait for each other, beside JAX's own

BOUND = 7 / 6
DIFFERING = np.asarray([1e-6, 4e-6, 2e-5, 1.5e-4, 8e-4, 6e-3, 4e-2, 0.3])
"""Largest share of tokens that differ, by layer; one and a half times what is measured, twice where it is little."""


@pytest.fixture(scope="module")
def latents():
    """Bounded latents in float32, ``[B, C, D]``."""
    generator = torch.Generator().manual_seed(0)
    return torch.tanh(torch.randn(4096, 8, 16, generator=generator) / BOUND)


@pytest.fixture(scope="module")
def table():
    return Geometric().fixed_table()


@torch.no_grad()
def their_tokens(latents):
    """Tokens of latents in [-1, 1], in their type, by a module of one scalar per codebook.

    Its soft bound is left out, since the latents are bounded already.
    """
    from vector_quantize_pytorch import ResidualFSQ  # four seconds, which those who run other tests are spared

    module = ResidualFSQ(levels=[7], dim=1, num_quantizers=8)
    assert torch.allclose(module.soft_clamp_input_value, torch.tensor(BOUND))
    module.soft_clamp_input_value = None
    module.scales = 7.0 ** -torch.arange(8, dtype=latents.dtype)[:, None]
    torch.set_default_dtype(latents.dtype)  # that of its levels
    try:
        return module.eval()((latents * BOUND).reshape(1, -1, 1))[1].reshape(*latents.shape, 8).numpy()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def theirs_in_float32(latents):
    return their_tokens(latents)


def exact_tokens(latents, steps):
    """Our code in float64: at each layer the nearest level, ties up, of what the layers before have left."""
    residual, digits = latents.double().numpy(), []
    for step in steps:
        digits.append(np.clip(np.floor(residual / step + 0.5), -3, 3))
        residual = residual - digits[-1] * step
    return np.stack(digits, axis=-1).astype(np.int32) + 3


def differing(tokens, others):
    """Share of tokens that differ, by layer."""
    return (np.asarray(tokens) != others).mean(axis=(0, 1, 2))


def written(shares):
    return " ".join(f"{share:.1e}" for share in shares)


def test_in_double_precision_every_token_is_the_same(latents):
    shares = differing(exact_tokens(latents, 2 / 7.0 ** np.arange(1, 9)), their_tokens(latents.double()))
    print("float64:", written(shares))
    assert shares.max() <= 1e-5


def test_our_float32_tokens_are_exactly_those_of_the_table(latents, table):
    steps = np.asarray(table.step[:, 0], np.float64)
    shares = differing(quantize(table, jnp.asarray(latents.numpy())), exact_tokens(latents, steps))
    print("ours in float32 against the table in float64:", written(shares))
    assert shares.max() <= 1e-5


def test_in_float32_tokens_differ_by_rounding_alone(latents, table, theirs_in_float32):
    ours, theirs = quantize(table, jnp.asarray(latents.numpy())), theirs_in_float32
    exact = exact_tokens(latents, 2 / 7.0 ** np.arange(1, 9))
    print("float32:", written(differing(ours, theirs)))
    print("ours against float64:", written(differing(ours, exact)))
    print("theirs against float64:", written(differing(theirs, exact)))
    assert (differing(ours, theirs) <= DIFFERING).all()
    # A token that differs is made up for by those behind it: both decode to the same latent.
    for depth in range(1, 9):
        decoded = np.asarray(dequantize(table, jnp.asarray(theirs), depth))
        np.testing.assert_allclose(decoded, latents, atol=7.0**-depth + 2e-6)


def test_coarse_layers_are_the_same_away_from_boundaries(latents, table, theirs_in_float32):
    """Layers 0 to 3, on latents that are no nearer to a boundary than the steps' rounding reaches."""
    in_cells = (latents.double().numpy() + 1) / 2 * 7.0**4
    clear = np.abs(in_cells - np.round(in_cells)) / 7.0**4 * 2 > 2e-6
    assert clear.mean() > 0.99
    ours, theirs = np.asarray(quantize(table, jnp.asarray(latents.numpy()))), theirs_in_float32
    np.testing.assert_array_equal(ours[clear][:, :4], theirs[clear][:, :4])
