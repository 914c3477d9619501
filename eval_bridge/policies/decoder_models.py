"""The trained models of a run as the functions that decoders call."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rsd_jax.array_types import Actions, Features, Latents, LayerMask, Logits, Position, PyTree, Tokens
from rsd_jax.backbones.choice import take_same_inputs
from rsd_jax.backbones.interface import Backbone, PolicyInputs
from rsd_jax.decoding import CodeShape, MainFn, column_local, is_column_local
from rsd_jax.heads.distance_head import DistanceHead
from rsd_jax.heads.draft_model import DraftModel
from rsd_jax.heads.main_head import ColumnContext, MainHead, main_function
from rsd_jax.rfsq import Certificate, RfsqTokenizer, make_certificate, quantize
from rsd_jax.stored_models.early_exit import EarlyExitPolicy
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ModelArrays:
    """All arrays of the models, an argument of every compiled program: none of them captures any.

    Attributes:
        policy: of backbone and teacher; None for parts that use neither.
        tokenizer: None for a decoder without tokens. informative: the tokenizer's, which takes long to compute.
        draft: parameters of the draft model, or None. main: of the main head, or None.
        draft_policy: of the cascade's draft policy, or None. confidence: parameters of its confidence head, or None.
        early_exit: parameters of the head on the policy's first blocks, or None.
        certificate: the tokenizer's, for certified decoding; where it is None it is computed anew in every call.
    """

    policy: PolicyVariables | None
    tokenizer: RfsqTokenizer | None = None
    informative: LayerMask | None = None
    draft: PyTree = None
    main: PyTree = None
    draft_policy: PolicyVariables | None = None
    confidence: PyTree = None
    early_exit: PyTree = None
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Networks:
    """The networks without their arrays; those that a decoder does without are None."""

    policy: StoredPolicy
    draft: DraftModel | None = None
    main: MainHead | None = None
    draft_policy: StoredPolicy | None = None
    confidence: DistanceHead | None = None
    early_exit: EarlyExitPolicy | None = None

    @property
    def draft_apart(self) -> Backbone | None:
        """The draft policy's backbone where it takes other inputs than the policy's; None where it does not."""
        draft = self.draft_policy
        if draft is None or take_same_inputs(draft.backbone, self.policy.backbone):
            return None
        return draft.backbone


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecoderFeatures:
    """What a decoder hands on to the models unseen: all that depends on no token, computed once a chunk.

    Attributes:
        draft_latents: the draft model's estimate; None without one. columns: the main head's context.
    """

    draft_latents: Latents | None
    columns: ColumnContext


class DraftProposals(NamedTuple):
    """What is proposed before the main backbone has run.

    Attributes:
        tokens: of its chunk, ``[.., C, D, L]``.
        distance: that it expects between its chunk and the main policy's, in half-ranges, ``[..]``; infinite for one
            that has not learned to tell.
    """

    tokens: Int[Array, "..."]
    distance: Float[Array, "..."]


@dataclass(frozen=True)
class Models:
    """Networks with their arrays: what a decoder may use, while it is traced."""

    networks: Networks
    arrays: ModelArrays

    def features(self, inputs: PolicyInputs) -> Features:
        """The backbone's features ``[B, C, F]``."""
        return self.networks.policy.features(self._policy, inputs)

    def foreseen_features(self, inputs: PolicyInputs) -> Float[Array, "B N C F"]:
        """The backbone's features of every chunk that it foresees, the one to act on first."""
        return self.networks.policy.foreseen_features(self._policy, inputs)

    def draft_policy(self, inputs: PolicyInputs) -> DraftProposals:
        """The chunk that the draft policy would act on, and how far it expects the main policy's to lie."""
        draft, variables = self.networks.draft_policy, self.arrays.draft_policy
        assert draft is not None, "a decoder used a stage that it does not name"
        assert variables is not None, "a decoder used a stage that it does not name"
        if inputs.for_draft is not None:
            inputs = inputs.for_draft._replace(memory=inputs.memory)
        features = draft.features(variables, inputs)
        drafted = draft.teacher_actions(variables, features)
        tokens, head = self.tokenize(drafted), self.networks.confidence
        if head is None:
            return DraftProposals(tokens, jnp.full(len(tokens), jnp.inf))
        told = head.apply({"params": self.arrays.confidence}, features, variables.action.normalize(drafted))
        return DraftProposals(tokens, jnp.exp(told))

    def early_tokens(self, inputs: PolicyInputs) -> PyTree:
        """What the first blocks of the main backbone make of observations."""
        return self._early_exit.tokens(self._policy, inputs)

    def early_exit(self, tokens: PyTree) -> DraftProposals:
        """The chunk that the head on the first blocks would act on; how far it lies, it does not tell."""
        drafted = self.tokenize(self._early_exit.actions(self.arrays.early_exit, self._policy, tokens))
        return DraftProposals(drafted, jnp.full(len(drafted), jnp.inf))

    def foreseen_features_from(self, tokens: PyTree) -> Float[Array, "B N C F"]:
        """`foreseen_features`, from what the first blocks have made of the observations."""
        return self._early_exit.foreseen_features(self._policy, tokens)

    @property
    def draft_policy_remembers(self) -> int | None:
        """Calls for which the draft policy remembers a look of the main policy; None where it remembers none."""
        assert self.networks.draft_policy is not None, "a decoder used a stage that it does not name"
        return self.networks.draft_policy.backbone.oldest_memory or None

    def teacher_actions(self, features: Features) -> Actions:
        """What the L1 teacher executes, in the environment's units."""
        return self.networks.policy.teacher_actions(self._policy, features)

    def tokenize(self, actions: Actions) -> Tokens:
        """Tokens of actions in the environment's units."""
        return self._tokenizer.tokenize(actions)

    def detokenize(self, tokens: Tokens, num_layers: int | None = None) -> Actions:
        """The actions that tokens, or their first layers, mean, in the environment's units."""
        return self._tokenizer.detokenize(tokens, num_layers)

    def normalize(self, actions: Actions) -> Actions:
        """Actions in half-ranges."""
        return self._tokenizer.normalizer.normalize(actions)

    def detokenize_to(self, tokens: Tokens, depth: Position) -> Actions:
        """The actions that the first `depth` layers of each column mean, in the environment's units."""
        return self._tokenizer.detokenize_to(tokens, depth)

    def prepare(self, features: Features) -> DecoderFeatures:
        """Computes once a chunk what depends on no token."""
        draft, main = self.networks.draft, self._main
        with _whole_float32():
            columns = main.apply({"params": self.arrays.main}, features, method="contextualise")
            latents = (
                None if draft is None else draft.apply({"params": self.arrays.draft}, features, method="estimate")
            )
        return DecoderFeatures(latents, columns)

    def guess(self, features: DecoderFeatures) -> Tokens:
        """The main head's own estimate of the latents, quantized: where decoding by fixed point starts."""
        return quantize(self._tokenizer.table, features.columns.latents)

    def draft(self, features: DecoderFeatures, tokens: Tokens, position: Position | int) -> Logits:
        """A `DraftFn`."""
        arguments = (features.draft_latents, self._tokenizer.table, tokens, position)
        with _whole_float32():
            return self._draft.apply({"params": self.arrays.draft}, *arguments, method="propose")

    @property
    def main(self) -> MainFn:
        """The main head's `MainFn`, which declares what the network does."""
        score = main_function(self._main, self.arrays.main, self._tokenizer.table)

        def main(features: DecoderFeatures, tokens: Tokens, position: Position | int, *, num_layers: int) -> Logits:
            with _whole_float32():
                return score(features.columns, tokens, position, num_layers=num_layers)

        return column_local(main) if is_column_local(score) else main

    @property
    def code_shape(self) -> CodeShape:
        """Static shape of the tokenizer's code; without a draft model nothing is drafted, so K is 0."""
        tokenizer, informative = self._tokenizer, self.arrays.informative
        draft = self.networks.draft
        return CodeShape(
            chunk_length=tokenizer.chunk_length,
            latent_dim=tokenizer.latent_dim,
            num_layers=tokenizer.num_layers,
            draft_layers=0 if draft is None else draft.config.draft_layers,
            informative=tokenizer.informative if informative is None else jnp.asarray(informative),
        )

    @property
    def certificate(self) -> Certificate:
        """How far other tokens of the tokenizer's code can move an action at most."""
        return make_certificate(self._tokenizer) if self.arrays.certificate is None else self.arrays.certificate

    @property
    def num_levels(self) -> int:
        """V of the tokenizer's code."""
        return self._tokenizer.table.num_levels

    @property
    def _policy(self) -> PolicyVariables:
        assert self.arrays.policy is not None, "a part that names no policy used it"
        return self.arrays.policy

    @property
    def _tokenizer(self) -> RfsqTokenizer:
        assert self.arrays.tokenizer is not None, "a decoder used a stage that it does not name"
        return self.arrays.tokenizer

    @property
    def _early_exit(self) -> EarlyExitPolicy:
        assert self.networks.early_exit is not None, "a decoder used a stage that it does not name"
        return self.networks.early_exit

    @property
    def _draft(self) -> DraftModel:
        assert self.networks.draft is not None, "a decoder used a stage that it does not name"
        return self.networks.draft

    @property
    def _main(self) -> MainHead:
        assert self.networks.main is not None, "a decoder used a stage that it does not name"
        return self.networks.main


def _whole_float32() -> AbstractContextManager[None]:
    """Matrix products of the heads in float32 as it is stored.

    GPUs multiply float32 with ten bits of the mantissa (TF32) unless told otherwise. Programs of other shapes, one
    layer or several a pass, then differ by a thousandth of a logit, and lossless decoders in far more than near-ties.
    """
    exact: AbstractContextManager[None] = jax.default_matmul_precision("highest")
    return exact
