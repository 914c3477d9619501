"""The L1 teacher: actions straight from features, without tokens."""

from dataclasses import dataclass

from flax import linen as nn

from rsd_jax.array_types import Actions, Features
from rsd_jax.partitioned_layers import Dense, LayerNorm, Mlp


@dataclass(frozen=True)
class RegressionConfig:
    """Size of the regression head.

    Attributes:
        action_dim: A.
        hidden_features: width of its hidden layer.
    """

    action_dim: int = 7
    hidden_features: int = 256


class RegressionHead(nn.Module):
    """Maps the features of each chunk step to its action, normalised.

    As in OpenVLA-OFT (Kim et al. 2025, "Fine-Tuning Vision-Language-Action Models: Optimizing Speed and Success") it
    is trained with the L1 loss, which gives the median action where demonstrations disagree.
    """

    config: RegressionConfig

    @nn.compact
    def __call__(self, features: Features) -> Actions:
        """Returns normalised actions ``[B, C, A]``, unbounded."""
        hidden = LayerNorm()(features)
        hidden = Mlp(self.config.hidden_features, features.shape[-1], name="mlp")(hidden)
        return Dense(self.config.action_dim, axes=("embed", "action"), name="actions")(nn.gelu(hidden))
