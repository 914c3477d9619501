"""The draft model: a small network that proposes the next few layers of every column in one pass."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn

from rsd_jax.array_types import Features, Latents, Logits, Position, Tokens
from rsd_jax.heads.digit_logits import DigitLogits, most_likely_by
from rsd_jax.heads.latent_estimator import LatentEstimator
from rsd_jax.heads.layer_choice import SameLayers
from rsd_jax.rfsq import QuantizerTable, grid_coordinates
from rsd_jax.rfsq.scalar_quantizer import existing_digit, residual
from rsd_jax.rfsq.small_integers import stack_small


@dataclass(frozen=True)
class DraftConfig:
    """Size of the draft model.

    Attributes:
        num_layers: L of the code. latent_dim: D. num_levels: V.
        draft_layers: K, layers proposed a pass.
        width: of the latent estimator; depth: its residual blocks.
    """

    num_layers: int = 8
    latent_dim: int = 16
    num_levels: int = 7
    draft_layers: int = 3
    width: int = 128
    depth: int = 1


class DraftModel(nn.Module):
    """Estimates the latents once, then rolls its own digits K layers on from wherever each column stands.

    Where the estimate is too coarse to tell a fine digit, a learned prior over that digit's levels decides.
    """

    config: DraftConfig

    def setup(self) -> None:
        """Creates the estimator, and what reads digits off its estimate."""
        config = self.config
        self.estimator = LatentEstimator(config.latent_dim, config.width, config.depth)
        self.digit_logits = DigitLogits(config.latent_dim, config.num_layers, config.num_levels)

    def __call__(self, features: Features, table: QuantizerTable, tokens: Tokens, position: Position | int) -> Logits:
        """Estimate and proposal in one call."""
        return self.propose(self.estimate(features), table, tokens, position)

    def estimate(self, features: Features) -> Latents:
        """What does not depend on tokens: the latents, computed once a chunk."""
        return self.estimator(features)

    def propose(self, latents: Latents, table: QuantizerTable, tokens: Tokens, position: Position | int) -> Logits:
        """Logits ``[B, C, D, L, V]`` of every layer from `position` on, given the digits before it and its own since.

        All layers of all columns, so that nothing is picked column by column: of them the first K from `position` on
        are proposed, those before it mean nothing. A number is the position of every column, known while tracing.
        """
        value, thresholds = latents.astype(jnp.float32), self.digit_logits.thresholds(table)
        levels = []
        for number, constants in enumerate(table.layers):
            own = most_likely_by(thresholds[:, number], (value - constants.offset) / constants.step, constants.mode)
            levels.append(jnp.where(number < position, tokens[..., number], own))
            value = residual(value, existing_digit(levels[-1] - table.reach, constants.mode), constants)
        # Written once: fused into what reads them, digits would be computed anew for every layer that reads them.
        rolled = jax.lax.optimization_barrier(stack_small(levels))
        coordinates = grid_coordinates(table, latents, rolled)
        return self.digit_logits(coordinates, SameLayers(0, table.num_layers, table.num_layers), table)
