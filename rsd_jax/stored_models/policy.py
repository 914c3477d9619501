"""The policy of a run: backbone and L1 teacher, frozen."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, Features, PyTree
from rsd_jax.backbones.compact import (
    CAMERAS,
    CompactConfig,
    compact_features,
    describe_compact_config,
    make_compact_config,
)
from rsd_jax.backbones.interface import PolicyInputs
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.checkpoints import CheckpointMetadata, load_stage
from rsd_jax.checkpoints.errors import CheckpointError
from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.heads.regression_head import RegressionConfig, RegressionHead
from rsd_jax.observation_needs import ObservationNeeds

STATE_SIZE = 8


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
        backbone, head: sizes of both networks.
        variables: arrays of the policy.
        params_hash: SHA-256 of all parameters; names the policy in what is trained on its features.
        heldout_every: split by episode that it was trained with.
    """

    backbone: CompactConfig
    head: RegressionConfig
    variables: PolicyVariables
    params_hash: str
    heldout_every: int

    @property
    def observation_needs(self) -> ObservationNeeds:
        """What it wants to see: frames and state as demonstrations store them."""
        return ObservationNeeds(STORED_SIZE, CAMERAS, STATE_SIZE)

    @property
    def teacher(self) -> RegressionHead:
        """The regression head as a network; its parameters are ``variables.head``."""
        return RegressionHead(self.head)

    def features(self, variables: PolicyVariables, inputs: PolicyInputs) -> Features:
        """Features ``[B, C, F]`` of observations."""
        return compact_features(self.backbone, variables.backbone, variables.proprio, inputs)

    def teacher_actions(self, variables: PolicyVariables, features: Features) -> Actions:
        """What the L1 teacher executes, in the dataset's units."""
        normalized = self.teacher.apply({"params": variables.head}, features)
        return variables.action.denormalize(normalized)


def policy_facts(
    backbone: CompactConfig, head: RegressionConfig, proprio: ProprioNormalizer, action: ActionNormalizer
) -> dict[str, Any]:
    """What `load_policy` needs beside the parameters, as checkpoint metadata."""
    return {
        "backbone": describe_compact_config(backbone),
        "head": vars(head),
        "proprio": proprio.to_json(),
        "normalizer": action.to_json(),
        "conventions": asdict(LIBERO),
    }


def load_policy(run_dir: Path | str) -> StoredPolicy:
    """Loads the best policy of a run.

    Raises:
        CheckpointError: it is missing or damaged, and the message names the command that makes it; or it was trained
            with other conventions.
    """
    stage = load_stage(run_dir, "policy")
    facts, params = stage.metadata.facts, stage.variables["params"]
    if facts["conventions"] != asdict(LIBERO):
        raise ConventionMismatchError(
            f"the policy of {run_dir} was trained with conventions {facts['conventions']}, but observations and "
            f"actions here follow {asdict(LIBERO)}; train it on demonstrations of these conventions"
        )
    try:
        backbone = make_compact_config(**facts["backbone"])
    except (TypeError, ValueError) as error:
        raise PolicyMismatchError(
            f"the policy of {run_dir} has a network that this version does not know ({error}); remove its folder and "
            f"train it again: python -m launch.train --config configs/policy.py --config.run_dir={run_dir}"
        ) from error
    return StoredPolicy(
        backbone=backbone,
        head=RegressionConfig(**facts["head"]),
        variables=PolicyVariables(
            backbone=params["backbone"],
            head=params["regression_head"],
            proprio=ProprioNormalizer.from_json(facts["proprio"]),
            action=ActionNormalizer.from_json(facts["normalizer"]),
        ),
        params_hash=_hash(params),
        heldout_every=facts["heldout_every"],
    )


def require_policy(metadata: CheckpointMetadata, policy: StoredPolicy) -> None:
    """Checks that a head was trained on this policy's features.

    Raises:
        PolicyMismatchError: it was trained on another's.
    """
    trained_on = metadata.facts.get("policy_hash")
    if trained_on != policy.params_hash:
        raise PolicyMismatchError(
            f"stage {metadata.stage!r} was trained on the features of policy {trained_on}, but the run's policy is "
            f"{policy.params_hash}; remove the stage's folder and train it again: "
            f"python -m launch.train --config configs/{metadata.stage}.py"
        )


def _hash(params: PyTree) -> str:
    digest = hashlib.sha256()
    for path, array in jax.tree_util.tree_flatten_with_path(params)[0]:
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(np.asarray(array)).tobytes())
    return digest.hexdigest()
