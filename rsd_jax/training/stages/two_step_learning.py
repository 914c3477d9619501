"""A policy that learns actions in two steps."""

from dataclasses import dataclass

from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.interface import Backbone
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.heads.two_step_head import TwoStepConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.training.objectives.two_step_cloning import TwoStepCloning
from rsd_jax.training.stages.action_learning import ActionLearning


@dataclass(frozen=True)
class TwoStepLearning(ActionLearning):
    """Actions, by a two-step head in the place of the teacher.

    Attributes:
        width: of the head.
        noise: see `TwoStepCloning`.
    """

    width: int
    noise: float

    def network(self, backbone: Backbone, head: RegressionConfig, tokenizer: RfsqTokenizer) -> PolicyNetwork:
        """Backbone and two-step head."""
        return PolicyNetwork(backbone, TwoStepConfig(backbone.chunk_length, self.width, head.action_dim))

    def objective(
        self, network: PolicyNetwork, augmentation: AugmentationConfig, compute_dtype: str, outlook_weight: float
    ) -> TwoStepCloning:
        """Both steps."""
        return TwoStepCloning(network, augmentation, compute_dtype, outlook_weight, self.noise)
