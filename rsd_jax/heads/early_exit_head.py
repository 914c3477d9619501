"""A draft of the main policy's chunk, from what its backbone has computed after its first blocks."""

from dataclasses import dataclass

import jax
from flax import linen as nn

from rsd_jax.array_types import Actions, Features
from rsd_jax.partitioned_layers import Dense, LayerNorm, Mlp


@dataclass(frozen=True)
class EarlyExitConfig:
    """Sizes of the head.

    Attributes:
        blocks: of the main policy's backbone, after which it reads.
        width: features between its parts. hidden_features: of its MLP. action_dim: A.
    """

    blocks: int
    width: int = 256
    hidden_features: int = 1024
    action_dim: int = 7


class EarlyExitHead(nn.Module):
    """What the blocks left out would have made of each step's token, as far as a token alone tells; then actions.

    An internal classifier as of shallow-deep networks (Kaya, Hong and Dumitras 2019, arXiv 1810.07052), for actions.
    """

    config: EarlyExitConfig

    @nn.compact
    def __call__(self, tokens: Features) -> Actions:
        """Normalised actions ``[B, C, A]`` from the tokens of a chunk's steps."""
        config = self.config
        hidden: jax.Array = LayerNorm(name="norm")(tokens)
        hidden = nn.gelu(Mlp(config.hidden_features, config.width, name="mlp")(hidden))
        return Dense(config.action_dim, axes=("embed", "action"), name="actions")(hidden)
