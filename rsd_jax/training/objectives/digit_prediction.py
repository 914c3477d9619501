"""Objectives of the draft model and the main head: name the tokens of the action that the policy would take."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from rsd_jax.array_types import Actions, Features, Latents, LayerMask, Logits, PyTree, Scalar, Tokens
from rsd_jax.heads.action_heads import ActionHead
from rsd_jax.heads.blank_inputs import blank_inputs
from rsd_jax.heads.draft_model import DraftModel
from rsd_jax.heads.main_head import MainHead
from rsd_jax.most_likely import most_likely
from rsd_jax.rfsq import QuantizerTable, RfsqTokenizer
from rsd_jax.training.objectives.interface import LossOutput, Variables

TEACHER, DEMONSTRATIONS = "teacher", "demonstrations"
LABELS = (TEACHER, DEMONSTRATIONS)
"""Whose actions the labels tokenize: the policy's own L1 regression head, or the demonstrations."""


@flax.struct.dataclass
class FrozenPolicy:
    """What heads learn from: the tokenizer and the L1 teacher.

    Attributes:
        tokenizer: makes the labels; its normalizer is the policy's.
        informative: its digits that can take more than one level, ``[L, D]``; computed once, not in every step.
        teacher_params: the regression head's parameters.
        feature_scale: standard deviation of every feature over the training rows, ``[F]``.
    """

    tokenizer: RfsqTokenizer
    informative: LayerMask
    teacher_params: PyTree
    feature_scale: Float[Array, " F"]


class HeadTask(Protocol):
    """What the draft model and the main head do differently."""

    @property
    def model(self) -> DraftModel | MainHead:
        """The network."""
        ...

    def init(self, key: jax.Array, features: Features, table: QuantizerTable, tokens: Tokens) -> PyTree:
        """Draws the parameters."""
        ...

    def outputs(
        self, params: PyTree, features: Features, table: QuantizerTable, tokens: Tokens, position: Int[Array, "B C D"]
    ) -> tuple[Latents, Logits, Int[Array, "B C D N"]]:
        """Latent estimate, logits, and the layers that the logits are of (those >= L do not exist)."""
        ...


@dataclass(frozen=True)
class DraftTask:
    """The next K layers from a random start in every column, so that every start layer is trained."""

    model: DraftModel

    def init(self, key: jax.Array, features: Features, table: QuantizerTable, tokens: Tokens) -> PyTree:
        """Draws the parameters."""
        return self.model.init(key, features, table, tokens, tokens[..., 0])["params"]

    def outputs(
        self, params: PyTree, features: Features, table: QuantizerTable, tokens: Tokens, position: Int[Array, "B C D"]
    ) -> tuple[Latents, Logits, Int[Array, "B C D N"]]:
        """One proposal from `position`."""
        latents = self.model.apply({"params": params}, features, method="estimate")
        held = jax.lax.stop_gradient(latents)
        logits = self.model.apply({"params": params}, held, table, tokens, position, method="propose")
        layers = jnp.broadcast_to(jnp.arange(table.num_layers), tokens.shape)
        ahead = layers - position[..., None]
        is_proposed = (ahead >= 0) & (ahead < self.model.config.draft_layers)
        return latents, logits, jnp.where(is_proposed, layers, table.num_layers)


@dataclass(frozen=True)
class MainTask:
    """Layers from a random start in every column, each given the true coarser digits (teacher forcing).

    Attributes:
        model: the network.
        scored_layers: layers scored a column and step. All L would cost the most and teach no more, since columns of
            one batch start everywhere.
    """

    model: MainHead
    scored_layers: int = 2

    def init(self, key: jax.Array, features: Features, table: QuantizerTable, tokens: Tokens) -> PyTree:
        """Draws the parameters."""
        return self.model.init(key, features, table, tokens, tokens[..., 0], 1)["params"]

    def outputs(
        self, params: PyTree, features: Features, table: QuantizerTable, tokens: Tokens, position: Int[Array, "B C D"]
    ) -> tuple[Latents, Logits, Int[Array, "B C D N"]]:
        """Scores from `position` on."""
        columns = self.model.apply({"params": params}, features, method="contextualise")
        held = type(columns)(jax.lax.stop_gradient(columns.latents), columns.context)
        arguments = (held, table, tokens, position, self.scored_layers)
        logits = self.model.apply({"params": params}, *arguments, method="score")
        return columns.latents, logits, position[..., None] + jnp.arange(self.scored_layers)


@dataclass(frozen=True)
class DigitPrediction:
    """Cross-entropy of the digits plus L1 distance of the latent estimate.

    The digits' gradient does not reach the latent estimate: it is up to 1/step steep at fine layers. The estimate
    learns from the latents themselves, the digits teach how sure to be of it and where to correct it.

    Attributes:
        task: draft or main.
        teacher: the policy's regression head, as a network.
        chunk_length: C. feature_dim: F.
        labels: one of `LABELS`.
        feature_noise: standard deviation of noise on the features, relative to each feature's own; the teacher's
            labels are taken at the noisy features, so they stay true and data never runs out.
        digit_weight: weight of the cross-entropy against the L1 distance.
    """

    task: HeadTask
    teacher: ActionHead
    chunk_length: int
    feature_dim: int
    labels: str = TEACHER
    feature_noise: float = 0.1
    digit_weight: float = 0.1

    def __post_init__(self) -> None:
        """Checks the name of the labels."""
        if self.labels not in LABELS:
            raise ValueError(f"labels is {self.labels!r}; it must be one of {', '.join(LABELS)}")

    def init(self, key: jax.Array) -> Variables:
        """Draws the parameters."""
        blank = blank_inputs(self.task.model.config, self.chunk_length, self.feature_dim)
        return Variables(self.task.init(key, *blank), {})

    def loss(
        self, variables: Variables, frozen: FrozenPolicy, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """Loss on ``features`` ``[B, C, F]`` and ``actions`` ``[B, C, A]``, in the dataset's units, of `batch`."""
        noise_key, position_key = jax.random.split(key)
        noise = self.feature_noise * frozen.feature_scale * jax.random.normal(noise_key, batch["features"].shape)
        features = batch["features"].astype(jnp.float32) + noise  # a large backbone's are kept as it computes them
        actions = self.label_actions(frozen, features, batch["actions"])
        errors = digit_errors(
            self.task, variables.params, frozen.tokenizer, frozen.informative, features, actions, position_key
        )
        return LossOutput(
            loss=errors.distance + self.digit_weight * errors.cross_entropy,
            model_state={},
            metrics=errors.metrics,
        )

    def label_actions(self, frozen: FrozenPolicy, features: Features, demonstrated: Actions) -> Actions:
        """The actions whose tokens are the labels, in the dataset's units."""
        if self.labels == DEMONSTRATIONS:
            return demonstrated
        return teacher_actions(self.teacher, frozen, features)


class DigitErrors(NamedTuple):
    """Errors of a head on chunks of actions.

    Attributes:
        distance: mean absolute distance of its estimate from their latents.
        cross_entropy: mean over the digits that it scored, each given the true coarser ones.
        accuracy: share of these digits of which the most likely level is the true one.
    """

    distance: Scalar
    cross_entropy: Scalar
    accuracy: Scalar

    @property
    def metrics(self) -> dict[str, Scalar]:
        """By slash name."""
        return {
            "loss/latent_l1": self.distance,
            "loss/cross_entropy": self.cross_entropy,
            "accuracy/all_layers": self.accuracy,
        }


def digit_errors(
    task: HeadTask,
    params: PyTree,
    tokenizer: RfsqTokenizer,
    informative: LayerMask,
    features: Features,
    actions: Actions,
    key: jax.Array,
    mask: Bool[Array, "B C"] | None = None,
) -> DigitErrors:
    """Compares what a head names, from a random layer of every column on, with the tokens of `actions`.

    Args:
        task: the head.
        params: its parameters.
        tokenizer: makes the tokens.
        informative: its digits that can take more than one level; the others do not count.
        features: ``[B, C, F]``.
        actions: in the dataset's units, ``[B, C, A]``.
        key: draws the layers; consumed.
        mask: steps that count; None for all. A tokenizer's columns are of one step each.
    """
    tokens = tokenizer.tokenize(actions)
    depth = tokens.shape[-1]
    position = jax.random.randint(key, tokens.shape[:-1], 0, depth)
    latents, logits, layers = task.outputs(params, features, tokenizer.table, tokens, position)
    labels = jnp.take_along_axis(tokens, jnp.minimum(layers, depth - 1), axis=-1)
    counted = _informative(informative, layers) & (layers < depth)
    distances = jnp.abs(latents - tokenizer.latents(actions))
    if mask is None:
        distance, total = jnp.mean(distances), jnp.sum(counted)
    else:
        counted = counted & mask[..., None, None]
        steps = jnp.maximum(jnp.sum(mask), 1)
        distance = jnp.sum(distances * mask[..., None]) / (steps * distances.shape[-1])
        total = jnp.maximum(jnp.sum(counted), 1)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    hits = (most_likely(logits) == labels) & counted
    return DigitErrors(distance, jnp.sum(cross_entropy * counted) / total, jnp.sum(hits) / total)


def _informative(informative: LayerMask, layers: Int[Array, "B C D N"]) -> Bool[Array, "B C D N"]:
    num_layers = len(informative)
    everywhere = jnp.broadcast_to(informative.T, (*layers.shape[:-1], num_layers))
    return jnp.take_along_axis(everywhere, jnp.minimum(layers, num_layers - 1), axis=-1)


def teacher_actions(teacher: ActionHead, frozen: FrozenPolicy, features: Features) -> Actions:
    """What the L1 teacher would execute, in the dataset's units."""
    normalized = teacher.apply({"params": frozen.teacher_params}, features)
    return frozen.tokenizer.normalizer.denormalize(cast(jax.Array, normalized))
