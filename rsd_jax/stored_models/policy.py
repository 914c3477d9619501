"""The policy of a run: backbone and L1 teacher, frozen."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import jax
from jax.sharding import Mesh

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, Features, PyTree
from rsd_jax.backbones.interface import Backbone, PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.checkpoints import CheckpointMetadata, load_stage
from rsd_jax.checkpoints.errors import CheckpointError
from rsd_jax.distributed.sharding_rules import state_shardings
from rsd_jax.heads.regression_head import RegressionHead
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.policy_network import BACKBONE, HEAD, PolicyNetwork
from rsd_jax.stored_models.policy_facts import PolicyFacts


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
    """

    network: PolicyNetwork
    variables: PolicyVariables
    params_hash: str
    heldout_every: int

    @property
    def backbone(self) -> Backbone:
        """The backbone; its parameters are ``variables.backbone``."""
        return self.network.backbone

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What it wants to be shown."""
        return self.backbone.observation_needs

    @property
    def teacher(self) -> RegressionHead:
        """The regression head as a network; its parameters are ``variables.head``."""
        return self.network.teacher

    def features(self, variables: PolicyVariables, inputs: PolicyInputs) -> Features:
        """Features ``[B, C, F]`` of observations."""
        return self.backbone.features(variables.backbone, variables.proprio, inputs)

    def teacher_actions(self, variables: PolicyVariables, features: Features) -> Actions:
        """What the L1 teacher executes, in the dataset's units."""
        normalized = self.teacher.apply({"params": variables.head}, features)
        return variables.action.denormalize(normalized)


def load_policy(run_dir: Path | str, mesh: Mesh | None = None) -> StoredPolicy:
    """Loads the best policy of a run.

    Args:
        run_dir: the run's folder.
        mesh: of `rsd_jax.distributed.mesh.make_mesh`: every device reads its part of the parameters, by the logical
            axes that they name, and none ever holds a large policy whole. By default all lie on the default device.

    Raises:
        CheckpointError: it is missing or damaged, and the message names the command that makes it; or it was trained
            with other conventions.
        ValueError: the mesh does not divide an axis of the parameters.
    """
    shardings = None if mesh is None else partial(_shardings, run_dir, mesh)
    stage = load_stage(run_dir, "policy", shardings=shardings)
    facts, params = _facts(stage.metadata, run_dir), stage.variables["params"]
    return StoredPolicy(
        network=facts.network,
        variables=PolicyVariables(params[BACKBONE], params[HEAD], facts.proprio, facts.normalizer),
        params_hash=stage.params_hash,
        heldout_every=facts.heldout_every,
    )


def _shardings(run_dir: Path | str, mesh: Mesh, metadata: CheckpointMetadata) -> PyTree:
    network = _facts(metadata, run_dir).network
    return {"params": state_shardings(jax.eval_shape(network.init, jax.random.key(0)), mesh), "model_state": {}}


def _facts(metadata: CheckpointMetadata, run_dir: Path | str) -> PolicyFacts:
    content = metadata.facts
    if (conventions := content.get("conventions")) != asdict(LIBERO):
        raise ConventionMismatchError(
            f"the policy of {run_dir} was trained with conventions {conventions}, but observations and "
            f"actions here follow {asdict(LIBERO)}; train it on demonstrations of these conventions"
        )
    try:
        return PolicyFacts.from_json(content)
    except (TypeError, KeyError, ValueError) as error:
        raise PolicyMismatchError(
            f"the policy of {run_dir} has a network that this version does not know ({error!r}); use the version that "
            "wrote it, or move its folder away and train it again: python -m launch.train --config configs/policy.py "
            f"--config.run_dir={run_dir}"
        ) from error
