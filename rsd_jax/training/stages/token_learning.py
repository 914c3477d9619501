"""A policy that learns the demonstrations' tokens, main head and backbone together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from rsd_jax.array_types import PyTree
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.interface import Backbone
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.heads.regression_head import RegressionConfig
from rsd_jax.most_likely import most_likely
from rsd_jax.policy_network import BACKBONE, MAIN, PolicyNetwork
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.training.equal_batches import map_rows
from rsd_jax.training.objectives.behaviour_cloning import BehaviourCloning, PolicyConstants, policy_inputs
from rsd_jax.training.objectives.interface import HeldoutEvaluation, Variables
from rsd_jax.training.objectives.token_cloning import TokenCloning, TokenConstants
from rsd_jax.training.row_sources import Rows
from rsd_jax.training.stages.action_learning import EVALUATION_BATCH, ActionLearning


@dataclass(frozen=True)
class TokenLearning(ActionLearning):
    """Tokens, by a main head; the regression head is a probe of the features.

    Attributes:
        width, depth, column_features, mode_locked: of the main head, see `MainHeadConfig`.
        digit_weight: see `TokenCloning`.
    """

    width: int
    depth: int
    column_features: int
    mode_locked: bool
    digit_weight: float

    def network(self, backbone: Backbone, head: RegressionConfig, tokenizer: RfsqTokenizer) -> PolicyNetwork:
        """Backbone, probe, and a main head for the tokenizer's code."""
        main = MainHeadConfig(
            num_layers=tokenizer.table.num_layers,
            latent_dim=tokenizer.latent_dim,
            num_levels=tokenizer.table.num_levels,
            width=self.width,
            depth=self.depth,
            column_features=self.column_features,
            mode_locked=self.mode_locked,
        )
        return PolicyNetwork(backbone, head, main)

    def objective(
        self, network: PolicyNetwork, augmentation: AugmentationConfig, compute_dtype: str, outlook_weight: float
    ) -> TokenCloning:
        """The demonstrations' tokens."""
        return TokenCloning(network, augmentation, compute_dtype, outlook_weight, self.digit_weight)

    def constants(self, common: PolicyConstants, tokenizer: RfsqTokenizer) -> TokenConstants:
        """The tokenizer beside them."""
        return TokenConstants(common.proprio, common.instructions, tokenizer, tokenizer.informative)

    def facts(self, facts: PolicyFacts) -> PolicyFacts:
        """The weight of the digits beside them."""
        return replace(facts, digit_weight=self.digit_weight)

    def evaluation(
        self, of_actions: HeldoutEvaluation, objective: BehaviourCloning, constants: PolicyConstants, heldout: Rows
    ) -> tuple[HeldoutEvaluation, str]:
        """Held-out tokens decide; the probe's actions are told beside them."""
        assert isinstance(objective, TokenCloning)
        assert isinstance(constants, TokenConstants)
        score = partial(jax.jit(partial(score_digits, objective)), constants=constants)
        return partial(_evaluate, of_actions, score, heldout), "heldout_cross_entropy"


class DigitScores(NamedTuple):
    """Sums over the digits of each row that count: how many, their cross-entropy, and how many are named right."""

    digits: Float[Array, " B"]
    cross_entropy: Float[Array, " B"]
    right: Float[Array, " B"]


def score_digits(
    objective: TokenCloning, params: PyTree, batch: Mapping[str, Any], constants: TokenConstants
) -> DigitScores:
    """Scores all layers of demonstrated chunks, each given the true coarser digits, where labels are foreseeable."""
    tokenizer, table = constants.tokenizer, constants.tokenizer.table
    features = objective.network.backbone.features(params[BACKBONE], constants.proprio, policy_inputs(batch))
    tokens = tokenizer.tokenize(tokenizer.normalizer.denormalize(batch["actions"]))
    model: MainHead = objective.task.model
    logits = model.apply({"params": params[MAIN]}, features, table, tokens, 0, table.num_layers)
    counted = (batch["mask"] & batch["foreseeable"])[:, :, None, None] & constants.informative.T
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, tokens)
    right = most_likely(logits) == tokens
    return DigitScores(*(jnp.sum(each * counted, axis=(1, 2, 3)) for each in (1.0, cross_entropy, right)))


def _evaluate(of_actions: HeldoutEvaluation, score: Any, heldout: Rows, variables: Variables) -> dict[str, Any]:
    scores: DigitScores = map_rows(lambda batch: score(variables.params, batch), heldout, EVALUATION_BATCH)
    digits, cross_entropy, right = (float(each.sum()) for each in scores)
    return {
        **of_actions(variables),
        "heldout_cross_entropy": cross_entropy / max(digits, 1.0),
        "heldout_digit_accuracy": right / max(digits, 1.0),
    }
