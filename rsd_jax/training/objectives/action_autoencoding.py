"""Objective of the tokenizer: reconstruct actions through the residual quantizer."""

from dataclasses import dataclass
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
from flax.core import meta

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, PyTree, Tokens
from rsd_jax.rfsq import Autoencoder, QuantizerStrategy, QuantizerTable, RfsqTokenizer, quantize, straight_through
from rsd_jax.rfsq.strategies import QuantizerVariables
from rsd_jax.training.objectives.interface import LossOutput, Variables

AUTOENCODER, QUANTIZER = "autoencoder", "quantizer"
"""Names among the parameters."""


@flax.struct.dataclass
class QuantizerState:
    """What training keeps of the quantizer beside the gradient's parameters.

    Attributes:
        strategy: what the strategy itself keeps.
        table: the constants of the last forward pass: those of the tokenizer. Kept, not derived again, so that they
            are the same bits everywhere.
    """

    strategy: PyTree
    table: QuantizerTable


class Reconstruction(NamedTuple):
    """Output of the loss function's forward pass: normalised `actions` and the `tokens` they were decoded from."""

    actions: Actions
    tokens: Tokens


@dataclass(frozen=True)
class ActionAutoencoding:
    """Trains a tokenizer.

    Attributes:
        autoencoder: what stands around the quantizer. quantizer: what fills its table. chunk_length: C.
    """

    autoencoder: Autoencoder
    quantizer: QuantizerStrategy
    chunk_length: int

    def init(self, key: jax.Array) -> Variables:
        """Draws the autoencoder; the table is the strategy's first."""
        variables = self.quantizer.init()
        params = {AUTOENCODER: self.autoencoder.init(key), QUANTIZER: variables.params}
        plain = variables._replace(params=meta.unbox(variables.params))
        return Variables(params, QuantizerState(variables.state, self.quantizer.table(plain)))

    def loss(
        self, variables: Variables, frozen: ActionNormalizer, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """Mean squared error of the normalised actions ``batch["actions"]`` ``[B, C, A]``; draws no randomness."""
        del key
        target = frozen.normalize(batch["actions"])
        params = variables.params
        latents = jax.lax.stop_gradient(self.autoencoder.encode(params[AUTOENCODER], target))
        kept = QuantizerVariables(params[QUANTIZER], variables.model_state.strategy)
        kept = kept._replace(state=self.quantizer.update(kept, latents))
        table = self.quantizer.table(kept)
        error = jnp.mean((self.reconstruct(params[AUTOENCODER], table, target).actions - target) ** 2)
        return LossOutput(
            loss=error + self.quantizer.scale_loss(table, latents),
            model_state=QuantizerState(kept.state, jax.lax.stop_gradient(table)),
            metrics={"loss/reconstruction": error},
        )

    def reconstruct(self, params: PyTree, table: QuantizerTable, normalized_actions: Actions) -> Reconstruction:
        """Forward pass of the loss: encode, quantize, decode, with the straight-through gradient."""
        latents = self.autoencoder.encode(params, normalized_actions)
        tokens = quantize(jax.lax.stop_gradient(table), jax.lax.stop_gradient(latents))
        return Reconstruction(self.autoencoder.decode(params, straight_through(table, latents, tokens)), tokens)

    def tokenizer(self, variables: Variables, normalizer: ActionNormalizer) -> RfsqTokenizer:
        """The trained tokenizer, complete."""
        params, table = variables.params[AUTOENCODER], variables.model_state.table
        return RfsqTokenizer(params, table, normalizer, self.autoencoder, self.chunk_length)
