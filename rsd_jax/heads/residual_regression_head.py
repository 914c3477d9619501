"""OpenVLA-OFT's L1 head: actions straight from the states of a step's action slots, by an MLP of residual blocks.

Kim et al. 2025, "Fine-Tuning Vision-Language-Action Models" (arXiv 2502.19645), section IV and appendix.
"""

from dataclasses import dataclass

from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.actions.conventions import libero_gripper
from rsd_jax.actions.normalizer import GRIPPER
from rsd_jax.array_types import Actions, Features
from rsd_jax.partitioned_layers import Dense, LayerNorm

TORCH_EPSILON = 1e-5
"""Of PyTorch's layer normalization, where nothing else is said."""


@dataclass(frozen=True)
class ResidualRegressionConfig:
    """Size of the head, and what its gripper means.

    Attributes:
        action_dim: A. hidden_features: width between its layers. blocks: residual blocks.
        gripper_open, gripper_closed: the gripper's action that it was trained to give; 1 and 0 in OpenVLA's data.
    """

    action_dim: int = 7
    hidden_features: int = 4096
    blocks: int = 2
    gripper_open: float = 1.0
    gripper_closed: float = 0.0


class ResidualRegressionHead(nn.Module):
    """Normalised actions of each chunk step from its features: the states of its A slots, one after the other."""

    config: ResidualRegressionConfig

    @nn.compact
    def __call__(self, features: Features) -> Actions:
        """Returns normalised actions ``[B, C, A]``, unbounded, the gripper as LIBERO has it."""
        config = self.config
        normalized = LayerNorm("embed", TORCH_EPSILON, is_exact=True, name="first_norm")(features)
        hidden = nn.relu(Dense(config.hidden_features, ("embed", "mlp"), name="first")(normalized))
        for index in range(config.blocks):
            hidden = ResidualBlock(config.hidden_features, name=f"block_{index}")(hidden)
        hidden = LayerNorm("mlp", TORCH_EPSILON, is_exact=True, name="last_norm")(hidden)
        actions = Dense(config.action_dim, ("mlp", "action"), name="last")(hidden)
        gripper = libero_gripper(actions[..., GRIPPER], config.gripper_open, config.gripper_closed)
        return actions.at[..., GRIPPER].set(gripper)


class ResidualBlock(nn.Module):
    """Normalization, a linear layer and a ReLU, added to what came in."""

    width: int

    @nn.compact
    def __call__(self, hidden: Float[Array, "B C M"]) -> Float[Array, "B C M"]:
        """Returns the same shape."""
        normalized = LayerNorm("mlp", TORCH_EPSILON, is_exact=True, name="norm")(hidden)
        return hidden + nn.relu(Dense(self.width, ("mlp", "embed"), name="linear")(normalized))
