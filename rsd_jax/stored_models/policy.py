"""The policy of a run: backbone and L1 teacher, frozen."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, Features, PyTree
from rsd_jax.backbones.interface import Backbone, KeepsFiles, PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.checkpoints import CheckpointMetadata, LoadedStage, load_stage
from rsd_jax.checkpoints.errors import CheckpointError
from rsd_jax.checkpoints.stage_checkpoints import read_best_metadata
from rsd_jax.distributed.sharding_rules import state_shardings
from rsd_jax.heads.action_heads import ActionHead
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.policy_network import BACKBONE, HEAD, MAIN, PolicyNetwork
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.stored_models.random_weights import RANDOM_WEIGHTS, in_red

_LOGGER = logging.getLogger(__name__)


class PolicyMismatchError(CheckpointError):
    """A policy is not the one, or not of the kind, that is needed."""


class ConventionMismatchError(CheckpointError):
    """A policy was trained with other conventions of images and actions than those at hand."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PolicyVariables:
    """Arrays of a policy: parameters of `backbone` and `head`, constants of `proprio` and `action`."""

    backbone: PyTree
    head: PyTree
    proprio: ProprioNormalizer
    action: ActionNormalizer


@dataclass(frozen=True)
class StoredPolicy:
    """A trained policy. Its functions take `variables` as an argument, so that jit captures no arrays.

    Attributes:
        network: backbone and L1 teacher.
        variables: arrays of the policy.
        params_hash: SHA-256 of all parameters; names the policy in what is trained on its features.
        heldout_every: split by episode that it was trained with.
        main: parameters of the main head that was trained with it (``network.main``), or None.
        has_random_weights: see `PolicyFacts`.
    """

    network: PolicyNetwork
    variables: PolicyVariables
    params_hash: str
    heldout_every: int
    main: PyTree = None
    has_random_weights: bool = False

    @property
    def backbone(self) -> Backbone:
        """The backbone; its parameters are ``variables.backbone``."""
        return self.network.backbone

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What it wants to be shown."""
        return self.backbone.observation_needs

    @property
    def teacher(self) -> ActionHead:
        """The action head as a network; its parameters are ``variables.head``."""
        return self.network.teacher

    @property
    def has_backbone(self) -> bool:
        """Whether the backbone's parameters are there (`load_policy`)."""
        return bool(self.variables.backbone)

    def features(self, variables: PolicyVariables, inputs: PolicyInputs) -> Features:
        """Features ``[B, C, F]`` of observations, of the chunk to act on."""
        return self.foreseen_features(variables, inputs)[:, 0]

    def foreseen_features(self, variables: PolicyVariables, inputs: PolicyInputs) -> Float[Array, "B N C F"]:
        """Features of all chunks that the backbone foresees, the one to act on first."""
        return self.by_chunk(self.backbone.features(variables.backbone, variables.proprio, inputs))

    def by_chunk(self, features: Features) -> Float[Array, "B N C F"]:
        """Features ``[B, N * C, F]`` of all steps that the backbone foresees, chunk by chunk."""
        return features.reshape(len(features), self.backbone.chunks, self.backbone.chunk_length, features.shape[-1])

    def teacher_actions(self, variables: PolicyVariables, features: Features) -> Actions:
        """What the L1 teacher executes, in the dataset's units; `features` may be of one chunk or of several."""
        normalized = self.teacher.apply({"params": variables.head}, features)
        return variables.action.denormalize(normalized)

    def actions(self, variables: PolicyVariables, inputs: PolicyInputs) -> Actions:
        """What the L1 teacher executes when it sees `inputs`, in the dataset's units."""
        return self.teacher_actions(variables, self.features(variables, inputs))


def policy_variables(params: PyTree, like: PolicyVariables) -> PolicyVariables:
    """Trained parameters of a `PolicyNetwork`, with the constants of `like`."""
    return PolicyVariables(params[BACKBONE], params[HEAD], like.proprio, like.action)


def load_action_range(run_dir: Path | str) -> ActionNormalizer:
    """The range of the actions of a run's policy, for a tokenizer that is to share it, and so bounded.

    Raises:
        CheckpointError: there is no policy, it is damaged, or it was trained with other conventions.
    """
    metadata = read_best_metadata(run_dir, "policy")
    return replace(_facts(metadata.facts, run_dir, metadata.stage).normalizer, is_bounded=True)


def load_state_range(run_dir: Path | str) -> ProprioNormalizer:
    """How the policy of a run normalises the robot's states; raises as `load_action_range`."""
    metadata = read_best_metadata(run_dir, "policy")
    return _facts(metadata.facts, run_dir, metadata.stage).proprio


def load_policy(run_dir: Path | str, mesh: Mesh | None = None, with_backbone: bool = True) -> StoredPolicy:
    """Loads the best policy of a run.

    Args:
        run_dir: the run's folder.
        mesh: of `rsd_jax.distributed.mesh.make_mesh`: every device reads its part of the parameters, by the logical
            axes that they name, and none ever holds a large policy whole. By default all lie on the default device.
        with_backbone: whether the backbone's parameters are read; who has its features does without.

    Raises:
        CheckpointError: it is missing or damaged, and the message names the command that makes it; or it was trained
            with other conventions.
        ValueError: the mesh does not divide an axis of the parameters.
    """
    shardings = None if mesh is None else partial(_shardings, run_dir, mesh)
    stage = load_stage(run_dir, "policy", shardings=shardings, leaves_out=() if with_backbone else (BACKBONE,))
    return stored_policy(stage, stage.metadata.facts, run_dir)


def stored_policy(stage: LoadedStage, content: Mapping[str, Any], run_dir: Path | str) -> StoredPolicy:
    """The policy whose parameters a `stage` of a run holds and whose facts are `content` (`PolicyFacts`).

    Raises:
        CheckpointError: it was trained with other conventions, or has a network that this version does not know.
    """
    facts, params = _facts(content, run_dir, stage.metadata.stage), stage.variables["params"]
    if facts.has_random_weights:
        _LOGGER.warning("%s", in_red(f"{run_dir}: {RANDOM_WEIGHTS}"))
    return StoredPolicy(
        network=_with_files(facts.network, stage.folder),
        variables=PolicyVariables(params.get(BACKBONE, {}), params[HEAD], facts.proprio, facts.normalizer),
        params_hash=stage.params_hash,
        heldout_every=facts.heldout_every,
        main=params.get(MAIN),
        has_random_weights=facts.has_random_weights,
    )


def _with_files(network: PolicyNetwork, checkpoint: Path | None) -> PolicyNetwork:
    """`network`, whose backbone knows where the files lie that the checkpoint holds for it."""
    if checkpoint is None or not isinstance(network.backbone, KeepsFiles):
        return network
    return replace(network, backbone=network.backbone.with_files(checkpoint))


def _shardings(run_dir: Path | str, mesh: Mesh, metadata: CheckpointMetadata) -> PyTree:
    network = _facts(metadata.facts, run_dir, metadata.stage).network
    return {"params": state_shardings(jax.eval_shape(network.init, jax.random.key(0)), mesh), "model_state": {}}


def _facts(content: Mapping[str, Any], run_dir: Path | str, stage: str) -> PolicyFacts:
    if (conventions := content.get("conventions")) != asdict(LIBERO):
        raise ConventionMismatchError(
            f"the policy of {run_dir} was trained with conventions {conventions}, but observations and "
            f"actions here follow {asdict(LIBERO)}; train it on demonstrations of these conventions"
        )
    try:
        return PolicyFacts.from_json(content)
    except (TypeError, KeyError, ValueError) as error:
        raise PolicyMismatchError(
            f"the policy of {run_dir} has a network that this version does not know ({error!r}); use the version "
            f"that wrote it, or move its folder away and train it again: python -m launch.train --config "
            f"configs/{stage}.py --config.run_dir={run_dir}"
        ) from error
