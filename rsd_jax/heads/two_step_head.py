"""Regression in two steps: a first prediction from the observation alone, and a second one that refines it.

The minimal iterative policy (MIP) of Pan et al. 2025, "Much Ado About Noising: Dispelling the Myths of Generative
Robotic Control", arXiv 2512.01809: what generative policies owe their success to, by that paper, is iterative
computation with supervised intermediates and some noise, and not that they model a distribution.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn

from rsd_jax.array_types import Actions, Features
from rsd_jax.partitioned_layers import Dense, Mlp


@dataclass(frozen=True)
class TwoStepConfig:
    """Size of the two-step head.

    Attributes:
        chunk_length: C: the steps of a chunk that refine each other.
        width: features between its layers.
        action_dim: A.
    """

    chunk_length: int
    width: int = 256
    action_dim: int = 7


class TwoStepHead(nn.Module):
    """One network for both steps, told which one it is: (features, intermediate, step) -> actions.

    The intermediate of the first step is zero; that of the second is the first prediction, in training the
    demonstrated action with noise (`TwoStepCloning`). No step draws anything: the head is a regression.
    """

    config: TwoStepConfig

    def setup(self) -> None:
        """Creates the network."""
        config = self.config
        self.of_features = Dense(config.width, ("embed", "mlp"))
        self.of_own_step = Dense(config.width, ("action", "mlp"), use_bias=False)
        self.of_all_steps = Dense(config.width, (None, "mlp"), use_bias=False)
        zeros = nn.with_logical_partitioning(nn.initializers.zeros_init(), (None, "mlp"))
        self.of_iteration = self.param("of_iteration", zeros, (2, config.width))
        self.block = Mlp(config.width, config.width, axes=("mlp", "mlp"))
        self.actions = Dense(config.action_dim, ("mlp", "action"))

    def __call__(self, features: Features) -> Actions:
        """Normalised actions ``[B, S, A]`` of both steps, from features ``[B, S, F]``; S is of whole chunks."""
        return self.refine(features, self.begin(features))

    def begin(self, features: Features) -> Actions:
        """The first step: a prediction from the features alone."""
        return self._predict(features, jnp.zeros((*features.shape[:2], self.config.action_dim)), 0)

    def refine(self, features: Features, intermediate: Actions) -> Actions:
        """The second step: a prediction from the features and an intermediate one, whose chunks it sees whole."""
        return self._predict(features, intermediate, 1)

    def _predict(self, features: Features, intermediate: jax.Array, iteration: int) -> Actions:
        rows, _, action_dim = intermediate.shape
        chunks = intermediate.reshape(rows, -1, self.config.chunk_length * action_dim)
        of_chunk = jnp.repeat(self.of_all_steps(chunks), self.config.chunk_length, axis=1)
        hidden = self.of_features(features) + self.of_own_step(intermediate) + of_chunk
        hidden = nn.gelu(hidden + self.of_iteration[iteration])
        return self.actions(hidden + self.block(hidden))
