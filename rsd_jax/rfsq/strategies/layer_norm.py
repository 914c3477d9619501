"""Per-layer LayerNorm as a strategy: calibrated while training, then frozen."""

from dataclasses import dataclass

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.array_types import Latents, Scalar
from rsd_jax.rfsq.residual_quantizer import QuantizerTable
from rsd_jax.rfsq.strategies.interface import QuantizerVariables
from rsd_jax.rfsq.strategies.layer_statistics import (
    LayerStatistics,
    initial_statistics,
    table_from_statistics,
    update_statistics,
)


@flax.struct.dataclass
class LayerNormState:
    """Running statistics, the table that follows from them, and how many batches were seen.

    The table is kept, not derived again, so that it has the same bits wherever it is read.
    """

    statistics: LayerStatistics
    table: QuantizerTable
    step: Int[Array, ""]


@dataclass(frozen=True)
class LayerNorm:
    """V uniform levels over the mean and `span` deviations of every layer's residual.

    Attributes:
        num_layers: L. latent_dim: D. num_levels: V, odd.
        span: outermost levels of a layer, in standard deviations of its residual.
        decay: of the running statistics.
        freeze_after: batch from which on the statistics are constants, so that the networks settle on them.
    """

    num_layers: int = 8
    latent_dim: int = 16
    num_levels: int = 7
    span: float = 2.0
    decay: float = 0.99
    freeze_after: int = 1000

    def init(self) -> QuantizerVariables:
        """No statistics yet."""
        statistics = initial_statistics(self.num_layers, self.latent_dim)
        return QuantizerVariables({}, LayerNormState(statistics, self._table(statistics), jnp.zeros((), jnp.int32)))

    def table(self, variables: QuantizerVariables) -> QuantizerTable:
        """The table of the statistics so far."""
        table: QuantizerTable = variables.state.table
        return table

    def update(self, variables: QuantizerVariables, latents: Latents) -> LayerNormState:
        """Folds in the residuals of a batch until the statistics are frozen."""
        state: LayerNormState = variables.state
        statistics = update_statistics(state.statistics, latents, self.decay, self.span, self.num_levels)
        held = state.step >= self.freeze_after
        statistics, table = jax.tree.map(
            lambda old, new: jnp.where(held, old, new),
            (state.statistics, state.table),
            (statistics, self._table(statistics)),
        )
        return LayerNormState(statistics, table, state.step + 1)

    def scale_loss(self, table: QuantizerTable, latents: Latents) -> Scalar:
        """0: statistics are no parameters."""
        del table, latents
        return jnp.zeros((), jnp.float32)

    def _table(self, statistics: LayerStatistics) -> QuantizerTable:
        return table_from_statistics(statistics, self.span, self.num_levels)
