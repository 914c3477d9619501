import jax
import jax.numpy as jnp
import numpy as np

from rsd_jax.rfsq import dequantize, quantize
from rsd_jax.rfsq.strategies.layer_statistics import (
    initial_statistics,
    table_from_statistics,
    update_statistics,
)

update = jax.jit(update_statistics, static_argnums=(2, 3, 4))


def _latents(seed: int, batch: int = 512) -> jnp.ndarray:
    return jnp.asarray(np.random.default_rng(seed).normal([0.2, -0.1], [0.3, 0.01], (batch, 1, 2)), jnp.float32)


def test_first_batch_replaces_the_initial_statistics() -> None:
    statistics = update(initial_statistics(3, 2), _latents(0), 0.99, 2.0, 7)
    np.testing.assert_allclose(statistics.mean[0], _latents(0).mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(statistics.variance[0], _latents(0).var((0, 1)), rtol=1e-5)


def test_each_layer_normalises_what_the_coarser_layers_leave() -> None:
    statistics = initial_statistics(3, 2)
    for seed in range(200):
        statistics = update(statistics, _latents(seed), 0.99, 2.0, 7)
    scale = np.sqrt(statistics.variance)
    np.testing.assert_allclose(scale[0], [0.3, 0.01], rtol=0.05)
    assert (scale[1:] < 0.5 * scale[:-1]).all()
    table = table_from_statistics(statistics, 2.0, 7)
    np.testing.assert_allclose(table.step, 2 * 2.0 * scale / 6, rtol=1e-5)
    errors = [
        float(jnp.mean(((dequantize(table, quantize(table, _latents(999)), n) - _latents(999)) / scale[0]) ** 2))
        for n in (1, 2, 3)
    ]
    assert errors[0] < 0.1
    assert errors[1] < errors[0] / 4
    assert errors[2] < errors[1] / 2


def test_a_constant_latent_keeps_a_positive_step_and_decodes() -> None:
    constant = jnp.full((16, 1, 2), 0.25)
    table = table_from_statistics(update(initial_statistics(2, 2), constant, 0.9, 2.0, 7), 2.0, 7)
    assert float(table.step.min()) > 0
    np.testing.assert_allclose(dequantize(table, quantize(table, constant)), constant, atol=1e-6)
