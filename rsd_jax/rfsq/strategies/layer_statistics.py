"""Per-layer LayerNorm as constants: running statistics of every layer's residual, and the table they fill.

A LayerNorm over the sample at hand would normalise by a mean and a deviation that tokens do not carry, so that tokens
alone could not be decoded. Here, as in arXiv 2508.15860, the conditioning parameters are global: an exponential moving
average over training, frozen before training ends, after which they are constants of the tokenizer.
"""

import flax.struct
import jax
import jax.numpy as jnp

from rsd_jax.array_types import Latents, LayerTable, Scalar, typecheck
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, make_table
from rsd_jax.rfsq.scalar_quantizer import nearest_digit, residual

_SMALLEST_SCALE = 1e-5  # of a latent that never moves; any positive value decodes it exactly


@flax.struct.dataclass
class LayerStatistics:
    """Mean and mean square deviation of every layer's residual, over batches.

    Attributes:
        mean: ``float32 [L, D]``, in latent units.
        variance: ``float32 [L, D]``.
        updates: how many batches were seen.
    """

    mean: LayerTable
    variance: LayerTable
    updates: Scalar


def initial_statistics(num_layers: int, latent_dim: int) -> LayerStatistics:
    """Statistics before the first batch, which replaces them altogether."""
    zeros = jnp.zeros((num_layers, latent_dim), jnp.float32)
    return LayerStatistics(mean=zeros, variance=zeros, updates=jnp.zeros((), jnp.float32))


def table_from_statistics(statistics: LayerStatistics, span: float, num_levels: int) -> QuantizerTable:
    """LayerNorm as a table: V uniform levels over mean -+ `span` standard deviations of each layer's residual."""
    return make_table(statistics.mean, _step(statistics.variance, span, num_levels), num_levels)


@typecheck
def update_statistics(
    statistics: LayerStatistics, latents: Latents, decay: float, span: float, num_levels: int
) -> LayerStatistics:
    """Folds the residuals of one batch of `latents` into the running statistics, layer by layer.

    Each layer's residual is what the coarser layers leave under the statistics just updated, so that the result
    describes one consistent quantizer. The effective decay grows from 0 to `decay` over the first batches.
    """
    keep = jnp.minimum(decay, statistics.updates / (statistics.updates + 9.0))
    value = jax.lax.stop_gradient(latents.astype(jnp.float32))
    means, variances = [], []
    for old_mean, old_variance in zip(statistics.mean, statistics.variance, strict=True):
        mean = keep * old_mean + (1 - keep) * value.mean(axis=(0, 1))
        variance = keep * old_variance + (1 - keep) * value.var(axis=(0, 1))
        layer = make_table(mean[None], _step(variance, span, num_levels)[None], num_levels).layers[0]
        value = residual(value, nearest_digit(value, layer, (num_levels - 1) // 2), layer)
        means.append(mean)
        variances.append(variance)
    return LayerStatistics(jnp.stack(means), jnp.stack(variances), statistics.updates + 1)


def _step(variance: jax.Array, span: float, num_levels: int) -> jax.Array:
    scale = jnp.maximum(jnp.sqrt(variance), _SMALLEST_SCALE)
    return 2 * span * scale / (num_levels - 1)
