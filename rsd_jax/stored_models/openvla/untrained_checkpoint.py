"""The checkpoint of a policy that no training here has made: a published one, or one with random weights."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.backbones.openvla.backbone import PUBLISHED_FOLDER
from rsd_jax.backbones.proprioception import ProprioNormalizer
from rsd_jax.checkpoints.metadata import CheckpointMetadata
from rsd_jax.checkpoints.stage_checkpoints import Leaf, StageCheckpoints
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.stored_models.policy_facts import PolicyFacts

STAGE = "policy"
"""Folder of a policy inside a run's folder."""

HELDOUT_EVERY = 5
"""Unless something else is asked for."""


def new_policy_checkpoints(out: Path) -> StageCheckpoints:
    """Where the policy of the run folder `out` will lie; raises FileExistsError if it has one."""
    checkpoints = StageCheckpoints(out / STAGE)
    if checkpoints.find("best") is not None:
        raise FileExistsError(f"{out} has a policy; name another folder, or move it away")
    return checkpoints


def untrained_facts(
    network: PolicyNetwork,
    proprio: ProprioNormalizer,
    normalizer: ActionNormalizer,
    heldout_every: int,
    has_random_weights: bool = False,
) -> PolicyFacts:
    """What a policy says of itself that learned from no demonstrations of ours."""
    return PolicyFacts(
        network=network,
        proprio=proprio,
        normalizer=normalizer,
        conventions=asdict(LIBERO),
        tokenizer_hash=None,
        heldout_every=heldout_every,
        augmentation={},
        rewordings=None,
        compute_dtype=None,
        labels=None,
        has_random_weights=has_random_weights,
    )


def save_policy(
    checkpoints: StageCheckpoints,
    leaves: Iterable[Leaf],
    facts: PolicyFacts,
    config: dict[str, Any],
    files: Mapping[str, Path],
) -> Path:
    """Writes leaf by leaf (`StageCheckpoints.save_piecewise`), with `files` of the publisher by name beside them."""
    metadata = CheckpointMetadata(STAGE, step=0, config=config, facts=facts.to_json())
    published = {f"{PUBLISHED_FOLDER}/{name}": path for name, path in files.items()}
    return checkpoints.save_piecewise(leaves, metadata, published)
