"""Objective of the tokenizer: reconstruct actions through the residual quantizer."""

from dataclasses import dataclass
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, Latents, PyTree, Tokens
from rsd_jax.rfsq import (
    AutoencoderConfig,
    LayerStatistics,
    QuantizerTable,
    RfsqTokenizer,
    initial_statistics,
    make_table,
    quantize,
    table_from_statistics,
    update_statistics,
)
from rsd_jax.rfsq.autoencoder import ActionAutoencoder, decode, encode, straight_through
from rsd_jax.training.objectives.interface import LossOutput, Variables

TOKENIZER, NAIVE_BASELINE = "tokenizer", "naive_baseline"
"""Names of the two autoencoders among the parameters."""


@dataclass(frozen=True)
class QuantizerConfig:
    """The residual quantizer.

    Attributes:
        num_layers: L. num_levels: V, odd.
        span: outermost levels of a layer, in standard deviations of its residual.
        decay: of the running statistics.
        freeze_after: training step from which on the statistics are constants, so that the networks settle on them.
    """

    num_layers: int = 8
    num_levels: int = 7
    span: float = 2.0
    decay: float = 0.99
    freeze_after: int = 1000


@flax.struct.dataclass
class QuantizerState:
    """What training keeps of the quantizer beside the gradient's parameters.

    Attributes:
        statistics: running statistics of the layers' residuals.
        table: the constants that follow from them; kept, not derived again, so that they are the same bits everywhere.
        step: optimizer steps done.
    """

    statistics: LayerStatistics
    table: QuantizerTable
    step: Int[Array, ""]


class Reconstruction(NamedTuple):
    """Output of the loss function's forward pass: normalised `actions` and the `tokens` they were decoded from."""

    actions: Actions
    tokens: Tokens


@dataclass(frozen=True)
class ActionAutoencoding:
    """Trains the tokenizer and, on the same batches with parameters of its own, the naive RFSQ beside it.

    The naive RFSQ gives every layer the same grid over [-1, 1], so residuals of all but the first fall into the middle
    cell and one layer of eight is effective.
    """

    autoencoder: AutoencoderConfig
    quantizer: QuantizerConfig
    chunk_length: int

    def init(self, key: jax.Array) -> Variables:
        """Draws both autoencoders; no statistics yet."""
        example = jnp.zeros((1, self.chunk_length, self.autoencoder.action_dim), jnp.float32)
        model = ActionAutoencoder(self.autoencoder)
        params = {
            name: model.init(subkey, example)["params"]
            for name, subkey in zip((TOKENIZER, NAIVE_BASELINE), jax.random.split(key), strict=True)
        }
        statistics = initial_statistics(self.quantizer.num_layers, self.autoencoder.latent_dim)
        state = QuantizerState(statistics, self._table(statistics), jnp.zeros((), jnp.int32))
        return Variables(params=params, model_state=state)

    def loss(
        self, variables: Variables, frozen: ActionNormalizer, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """Mean squared error of the normalised actions ``batch["actions"]`` ``[B, C, A]``; draws no randomness."""
        del key
        target = frozen.normalize(batch["actions"])
        params, state = variables
        state = self._next_state(state, encode(self.autoencoder, params[TOKENIZER], target))
        tokenizer = self.reconstruct(params[TOKENIZER], state.table, target)
        naive = self.reconstruct(params[NAIVE_BASELINE], self.naive_table(), target)
        error, naive_error = (jnp.mean((output.actions - target) ** 2) for output in (tokenizer, naive))
        return LossOutput(
            loss=error + naive_error,
            model_state=state,
            metrics={"loss/tokenizer": error, "loss/naive_baseline": naive_error},
        )

    def reconstruct(self, params: PyTree, table: QuantizerTable, normalized_actions: Actions) -> Reconstruction:
        """Forward pass of the loss: encode, quantize, decode, with the straight-through gradient."""
        latents = encode(self.autoencoder, params, normalized_actions)
        tokens = quantize(table, jax.lax.stop_gradient(latents))
        return Reconstruction(decode(self.autoencoder, params, straight_through(table, latents, tokens)), tokens)

    def naive_table(self) -> QuantizerTable:
        """The same V levels over [-1, 1] at every layer."""
        shape = (self.quantizer.num_layers, self.autoencoder.latent_dim)
        step = 2.0 / (self.quantizer.num_levels - 1)
        return make_table(jnp.zeros(shape), jnp.full(shape, step), self.quantizer.num_levels)

    def tokenizer(self, variables: Variables, normalizer: ActionNormalizer) -> RfsqTokenizer:
        """The trained tokenizer, complete."""
        return self._complete(variables.params[TOKENIZER], variables.model_state.table, normalizer)

    def naive_tokenizer(self, variables: Variables, normalizer: ActionNormalizer) -> RfsqTokenizer:
        """The naive baseline as a tokenizer."""
        return self._complete(variables.params[NAIVE_BASELINE], self.naive_table(), normalizer)

    def _next_state(self, state: QuantizerState, latents: Latents) -> QuantizerState:
        config = self.quantizer
        statistics = update_statistics(state.statistics, latents, config.decay, config.span, config.num_levels)
        held = state.step >= config.freeze_after
        statistics, table = jax.tree.map(
            lambda old, new: jnp.where(held, old, new),
            (state.statistics, state.table),
            (statistics, self._table(statistics)),
        )
        return QuantizerState(statistics, table, state.step + 1)

    def _table(self, statistics: LayerStatistics) -> QuantizerTable:
        return table_from_statistics(statistics, self.quantizer.span, self.quantizer.num_levels)

    def _complete(self, params: PyTree, table: QuantizerTable, normalizer: ActionNormalizer) -> RfsqTokenizer:
        return RfsqTokenizer(params, table, normalizer, self.autoencoder, self.chunk_length)
