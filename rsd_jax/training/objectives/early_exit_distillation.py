"""Objective of the early exit: to do, after the first blocks of a frozen policy's backbone, what all of them do."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rsd_jax.backbones.early_exit import early_exit_backbone
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.heads.early_exit_head import EarlyExitConfig, EarlyExitHead
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.objectives.distillation import DistillationConstants, imitation_loss
from rsd_jax.training.objectives.interface import LossOutput, Variables


@dataclass(frozen=True)
class EarlyExitDistillation:
    """Trains a head on the first blocks' tokens to give the main policy's chunk. `frozen` are `DistillationConstants`.

    One pass of the main backbone gives both, of the same view; nothing of the main policy is trained.

    Attributes:
        head: what is trained. main: of the main policy.
        augmentation: random changes of the view.
        compute_dtype: of the main backbone; the head computes in float32.
        worst_weight: see `Distillation`.
    """

    head: EarlyExitConfig
    main: PolicyNetwork
    augmentation: AugmentationConfig
    compute_dtype: str = "float32"
    worst_weight: float = 0.0

    def init(self, key: jax.Array) -> Variables:
        """Draws the head."""
        backbone = self.main.backbone
        tokens = jnp.zeros((1, backbone.chunk_length, backbone.width), jnp.float32)
        return Variables(EarlyExitHead(self.head).init(key, tokens)["params"], {})

    def loss(
        self, variables: Variables, frozen: DistillationConstants, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """Distance of the head's chunk from the main policy's.

        Args:
            variables: parameters of the head.
            frozen: the main policy, rewordings, and constants of the robot's state.
            batch: the fields of `PolicyInputs`.
            key: draws the augmentation.

        Raises:
            ValueError: the main policy's backbone cannot be left after so many blocks.
        """
        words_key, view_key = jax.random.split(key)
        inputs, blocks = policy_inputs(batch), self.head.blocks
        words = frozen.instructions.reword(words_key, inputs.instruction_ids, self.augmentation.reworded)
        backbone, params = early_exit_backbone(self.main.backbone, blocks), jax.lax.stop_gradient(frozen.main)
        tokens = backbone.augmented_early_tokens(
            self.augmentation,
            params[BACKBONE],
            frozen.proprio,
            inputs._replace(instruction_ids=words),
            view_key,
            blocks,
            self.compute_dtype,
        )
        features = backbone.features_from(params[BACKBONE], tokens, blocks)[:, : backbone.chunk_length]
        acted = self.main.teacher.apply({"params": params[HEAD]}, features)
        drafted = EarlyExitHead(self.head).apply({"params": variables.params}, backbone.exit_slots(tokens))
        return imitation_loss(drafted, acted, self.worst_weight)
