"""What a policy learns from its rows, and how it is judged: the demonstrated actions, unless another way says else."""

from dataclasses import dataclass

from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.interface import Backbone
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants
from rsd_jax.training.objectives.interface import HeldoutEvaluation
from rsd_jax.training.row_sources import Rows

EVALUATION_BATCH = 64
"""Rows a call when a policy runs over held-out ones."""


@dataclass(frozen=True)
class ActionLearning:
    """Actions, by the L1 teacher. Other ways to learn from the same rows change what they do otherwise."""

    def network(self, backbone: Backbone, head: RegressionConfig, tokenizer: RfsqTokenizer) -> PolicyNetwork:
        """The networks that learn."""
        return PolicyNetwork(backbone, head)

    def objective(
        self, network: PolicyNetwork, augmentation: AugmentationConfig, compute_dtype: str, outlook_weight: float
    ) -> BehaviourCloning:
        """What they learn."""
        return BehaviourCloning(network, augmentation, compute_dtype, outlook_weight)

    def constants(self, common: PolicyConstants, tokenizer: RfsqTokenizer) -> PolicyConstants:
        """What the objective needs beside the batch, given what every objective does."""
        return common

    def facts(self, facts: PolicyFacts) -> PolicyFacts:
        """What its checkpoint says, given what every policy's does."""
        return facts

    def evaluation(
        self, of_actions: HeldoutEvaluation, objective: BehaviourCloning, constants: PolicyConstants, heldout: Rows
    ) -> tuple[HeldoutEvaluation, str]:
        """How it is judged on held-out rows, and by which metric of that, given the evaluation of its actions."""
        return of_actions, "heldout_l1"
