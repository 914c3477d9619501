"""The stage of a policy that regresses in two steps; its checkpoint is a run's policy."""

from dataclasses import dataclass

from rsd_jax.heads.two_step_head import TwoStepConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.training.objectives.two_step_cloning import TwoStepCloning
from rsd_jax.training.stages.policy import CloningSettings


@dataclass(frozen=True)
class TwoStepPolicySettings(CloningSettings):
    """Settings of the stage: see `CloningSettings`.

    Attributes:
        head: the two-step head.
        noise: see `TwoStepCloning`.
    """

    head: TwoStepConfig
    noise: float

    def __post_init__(self) -> None:
        """Checks that backbone and head have the same chunks."""
        super().__post_init__()
        if self.backbone["chunk_length"] != self.head.chunk_length:
            raise ValueError(
                f"model.head.chunk_length is {self.head.chunk_length}, and model.backbone.chunk_length is "
                f"{self.backbone['chunk_length']}; give both the same"
            )

    def objective(self, network: PolicyNetwork) -> TwoStepCloning:
        """Both steps."""
        return TwoStepCloning(network, self.augmentation, self.compute_dtype, self.outlook_weight, self.noise)
