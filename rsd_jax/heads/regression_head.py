"""The L1 teacher: actions straight from features, without tokens."""

from dataclasses import dataclass

from flax import linen as nn

from rsd_jax.array_types import Actions, Features
from rsd_jax.partitioned_layers import Dense


@dataclass(frozen=True)
class RegressionConfig:
    """Size of the regression head.

    Attributes:
        action_dim: A.
    """

    action_dim: int = 7


class RegressionHead(nn.Module):
    """Reads the normalised action of each chunk step off its features, linearly.

    Trained with the L1 loss, as OpenVLA-OFT's head is (Kim et al. 2025, "Fine-Tuning Vision-Language-Action Models",
    section IV): the median action, where demonstrations disagree. It has no hidden layer, so that whatever decides on
    the action lies in the features, where the draft model and the main head find it too.
    """

    config: RegressionConfig

    @nn.compact
    def __call__(self, features: Features) -> Actions:
        """Returns normalised actions ``[B, C, A]``, unbounded."""
        return Dense(self.config.action_dim, axes=("embed", "action"), name="actions")(features)
