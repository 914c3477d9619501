"""Objective of the draft policy: to do what a large, frozen policy does when both see the same."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rsd_jax.array_types import Actions, PyTree, typecheck
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.decoding.skip_rules import motion_distance, same_gripper
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.training.draft_inputs import ACTED, draft_inputs
from rsd_jax.training.objectives.interface import LossOutput, Variables


@flax.struct.dataclass
class DistillationConstants:
    """What the loss needs beside the batch.

    Attributes:
        proprio: constants of the robot's state, of both policies.
        instructions: rewordings.
        main: parameters of the main policy's networks; nothing where rows tell what it does.
    """

    proprio: ProprioNormalizer
    instructions: InstructionTable
    main: PyTree


class DraftError(NamedTuple):
    """How far a draft's chunks lie from the main policy's, in half-ranges.

    Attributes:
        l1: mean absolute error over all steps and dimensions, ``[B]``.
        distance: largest error of any motion dimension and step, ``[B]``.
        same_gripper: whether the gripper has the same sign at every step, ``[B]``.
    """

    l1: Float[Array, "B"]
    distance: Float[Array, "B"]
    same_gripper: Bool[Array, "B"]


@dataclass(frozen=True)
class Distillation:
    """Trains a draft policy on the actions of the main policy. `frozen` are `DistillationConstants`.

    A draft policy with a memory is given what the main policy made of an earlier frame, as it was.

    Where rows tell what the main policy does (`ACTED`), that is imitated at every view of the frame. Else both get the
    same key, and so, where their backbones augment alike, the same view: the main policy's function is imitated, not
    its output at the demonstrated frames alone (Beyer et al. 2022, "Knowledge distillation: A good teacher is patient
    and consistent", section 3).

    Attributes:
        network: of the draft policy. main: of the main policy, whose first chunk is imitated.
        augmentation: random changes of what both are given, or of what the draft policy is.
        compute_dtype: see `BehaviourCloning`; of both.
        worst_weight: weight of each chunk's largest error beside the mean one. A draft is accepted or not by its worst
            step, which a mean hardly feels.
    """

    network: PolicyNetwork
    main: PolicyNetwork
    augmentation: AugmentationConfig
    compute_dtype: str = "float32"
    worst_weight: float = 0.0

    def init(self, key: jax.Array) -> Variables:
        """Draws the draft policy."""
        return Variables(params=self.network.init(key), model_state={})

    def loss(
        self, variables: Variables, frozen: DistillationConstants, batch: dict[str, jax.Array], key: jax.Array
    ) -> LossOutput:
        """Distance of the draft's chunk from the main policy's.

        Args:
            variables: parameters of the draft policy.
            frozen: the main policy, rewordings, and constants of the robot's state.
            batch: the fields of `PolicyInputs`, and with a memory `rsd_jax.training.look_rows.LOOK`; maybe `ACTED`,
                normalised.
            key: draws the augmentation.
        """
        words_key, view_key = jax.random.split(key)
        inputs = draft_inputs(batch)
        words = frozen.instructions.reword(words_key, inputs.instruction_ids, self.augmentation.reworded)
        inputs = inputs._replace(instruction_ids=words)

        def act(network: PolicyNetwork, params: PyTree, inputs: PolicyInputs) -> Actions:
            features = network.backbone.augmented_features(
                self.augmentation, params[BACKBONE], frozen.proprio, inputs, view_key, self.compute_dtype
            )
            now = features[:, : network.backbone.chunk_length]
            return cast(jax.Array, network.teacher.apply({"params": params[HEAD]}, now))

        acted = batch[ACTED] if ACTED in batch else act(self.main, frozen.main, inputs._replace(memory=None))
        return imitation_loss(act(self.network, variables.params, inputs), acted, self.worst_weight)


def imitation_loss(drafted: Actions, acted: Actions, worst_weight: float) -> LossOutput:
    """Distance of a draft's normalised chunks from the main policy's, which no gradient reaches.

    Args:
        drafted, acted: of the draft and of the main policy.
        worst_weight: see `Distillation`.
    """
    error = draft_error(drafted, jax.lax.stop_gradient(acted))
    l1, worst = jnp.mean(error.l1), jnp.mean(error.distance)
    metrics = {"loss/l1": l1, "l1/worst": worst, "accuracy/gripper": jnp.mean(error.same_gripper)}
    return LossOutput(loss=l1 + worst_weight * worst, model_state={}, metrics=metrics)


@typecheck
def draft_error(drafted: Actions, acted: Actions) -> DraftError:
    """Compares normalised chunks of a draft policy with those of the main policy."""
    l1 = jnp.mean(jnp.abs(drafted - acted), axis=(1, 2))
    return DraftError(l1, motion_distance(drafted, acted), same_gripper(drafted, acted))
