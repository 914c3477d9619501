"""Objective of the policy: the L1 distance to the demonstrated chunk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rsd_jax.array_types import Actions, Features, PyTree, Scalar, typecheck
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.training.objectives.interface import LossOutput, Variables

COMPUTE_DTYPES = ("float32", "bfloat16")

TRANSLATION, ROTATION, GRIPPER = slice(0, 3), slice(3, 6), slice(6, 7)


class Prediction(NamedTuple):
    """Normalised `actions` ``[B, C, A]`` of the L1 teacher, and the `features` ``[B, C, F]`` they came from."""

    actions: Actions
    features: Features


@flax.struct.dataclass
class PolicyConstants:
    """What the loss needs beside the batch: constants of the robot's state, and the instructions' rewordings."""

    proprio: ProprioNormalizer
    instructions: InstructionTable


@dataclass(frozen=True)
class BehaviourCloning:
    """Trains backbone and regression head together. `frozen` are the run's `PolicyConstants`.

    Attributes:
        network: backbone and head.
        augmentation: random changes of what the policy is given.
        compute_dtype: type of the backbone's activations and matrix products in the loss. Parameters, their updates
            and everything at evaluation stay in float32.
        outlook_weight: weight of the error of the chunks behind the first one, which counts 1.
    """

    network: PolicyNetwork
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    compute_dtype: str = "float32"
    outlook_weight: float = 0.5

    def __post_init__(self) -> None:
        """Checks the name of the type."""
        if self.compute_dtype not in COMPUTE_DTYPES:
            raise ValueError(f"compute_dtype is {self.compute_dtype!r}; it must be one of {', '.join(COMPUTE_DTYPES)}")

    def init(self, key: jax.Array) -> Variables:
        """Draws both networks."""
        return Variables(params=self.network.init(key), model_state={})

    def loss(
        self, variables: Variables, frozen: PolicyConstants, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """Mean absolute error over the labels to imitate.

        Args:
            variables: parameters of both networks.
            frozen: constants of the robot's state, and rewordings.
            batch: the fields of `PolicyInputs`, ``actions`` ``[B, N * C, A]`` normalised, and ``mask``
                ``[B, N * C]``, False (0) where there is no label to imitate, as behind the episode's end.
            key: draws the augmentation.
        """
        words_key, feature_key, head_key = jax.random.split(key, 3)
        inputs = policy_inputs(batch)
        words = frozen.instructions.reword(words_key, inputs.instruction_ids, self.augmentation.reworded)
        features = self.network.backbone.augmented_features(
            self.augmentation,
            variables.params[BACKBONE],
            frozen.proprio,
            inputs._replace(instruction_ids=words),
            feature_key,
            self.compute_dtype,
        )
        loss, metrics = self.head_loss(variables.params, frozen, features, batch, head_key)
        return LossOutput(loss=loss, model_state={}, metrics=metrics)

    def head_loss(
        self,
        params: PyTree,
        frozen: PolicyConstants,
        features: Features,
        batch: dict[str, jax.Array],
        key: jax.Array,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """What the heads make of features: the loss, and metrics by slash name; may consume `key`.

        The regression head's error. Other ways to learn from the same rows say here how.
        """
        return self.regression_loss(self._act(params[HEAD], features), batch)

    def regression_loss(self, predicted: Actions, batch: dict[str, jax.Array]) -> tuple[Scalar, dict[str, Scalar]]:
        """Error of predicted actions, that of chunks behind the first one weighted, and metrics of it."""
        now, behind = self.errors(predicted, batch["actions"], batch["mask"].astype(bool))
        metrics = {
            "loss/l1": now.l1,
            "l1/translation": now.translation,
            "l1/rotation": now.rotation,
            "accuracy/gripper": now.gripper_accuracy,
        }
        if behind is None:
            return now.l1, metrics
        return now.l1 + self.outlook_weight * behind.l1, {**metrics, "l1/outlook": behind.l1}

    def errors(
        self, predicted: Actions, actions: Actions, mask: Bool[Array, "B S"]
    ) -> tuple["ChunkError", "ChunkError | None"]:
        """Errors of the chunk to act on, and of the chunks that are foreseen behind it, if there are any."""
        first, second = slice(0, self.network.backbone.chunk_length), slice(self.network.backbone.chunk_length, None)
        now = chunk_error(predicted[:, first], actions[:, first], mask[:, first])
        if self.network.backbone.chunks == 1:
            return now, None
        return now, chunk_error(predicted[:, second], actions[:, second], mask[:, second])

    def predict(self, params: PyTree, proprio: ProprioNormalizer, inputs: PolicyInputs) -> Prediction:
        """What the policy does at evaluation: no augmentation, no randomness, float32."""
        features = self.network.backbone.features(params[BACKBONE], proprio, inputs)
        return Prediction(self._act(params[HEAD], features), features)

    def _act(self, head_params: PyTree, features: Features) -> Actions:
        return cast(jax.Array, self.network.teacher.apply({"params": head_params}, features))


class ChunkError(NamedTuple):
    """Mean errors of normalised actions over the steps that count.

    Attributes:
        l1: mean absolute error of all dimensions. translation, rotation: that of these dimensions.
        gripper_accuracy: share of the steps whose gripper has the right sign.
    """

    l1: Scalar
    translation: Scalar
    rotation: Scalar
    gripper_accuracy: Scalar


@typecheck
def chunk_error(predicted: Actions, actions: Actions, mask: Bool[Array, "B C"]) -> ChunkError:
    """Compares chunks of actions where `mask` is True."""
    distance = jnp.abs(predicted - actions)
    same_sign = (predicted[..., GRIPPER] >= 0) == (actions[..., GRIPPER] >= 0)
    return ChunkError(
        l1=_masked_mean(distance, mask),
        translation=_masked_mean(distance[..., TRANSLATION], mask),
        rotation=_masked_mean(distance[..., ROTATION], mask),
        gripper_accuracy=_masked_mean(same_sign.astype(jnp.float32), mask),
    )


def policy_inputs(batch: Mapping[str, Any]) -> PolicyInputs:
    """The fields of a batch that the policy sees."""
    return PolicyInputs(batch["images"], batch["proprio"], batch["instruction_ids"])


def _masked_mean(values: Float[Array, "B C N"], mask: Bool[Array, "B C"]) -> Scalar:
    weight = mask[..., None].astype(values.dtype)
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight) * values.shape[-1], 1.0)
