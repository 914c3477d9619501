"""The policy of one run as the policy of another, without a second copy of its arrays where the disk allows it."""

import os
import shutil
from pathlib import Path

from rsd_jax.atomic_files import whole_folder
from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.checkpoints.errors import CheckpointWriteError
from rsd_jax.checkpoints.manifest import read_manifest, verify, write_manifest
from rsd_jax.checkpoints.stage_checkpoints import StageCheckpoints
from rsd_jax.stored_models.openvla.untrained_checkpoint import STAGE, new_policy_checkpoints
from rsd_jax.stored_models.policy_facts import PolicyFacts


def share_policy(source: Path, out: Path, exit_block: int | None = None) -> Path:
    """Makes the best policy of the run folder `source`, one of OpenVLA, that of the run folder `out` too.

    Its files are hard links, and copies where `out` lies on another disk; whatever becomes of `source`, `out` keeps
    what it has.

    Args:
        source: a run's folder, such as ``launch.export_finetuned`` writes.
        out: a run's folder without a policy.
        exit_block: see `OpenVlaBackbone`; None leaves it as it is.

    Returns:
        The checkpoint's folder.

    Raises:
        ValueError: as `policy_to_share`; or the policy is one of another backbone, or has not so many blocks.
        CheckpointError: it is damaged.
        FileExistsError: `out` has a policy.
        CheckpointWriteError: `out` is full or not writable; nothing half-written remains.
    """
    checkpoint = policy_to_share(source)
    checkpoints = new_policy_checkpoints(out)
    content = read_manifest(checkpoint)
    backbone = PolicyFacts.from_json(content["facts"]).network.backbone
    if not isinstance(backbone, OpenVlaBackbone):
        raise ValueError(f"the policy of {source} has the backbone {type(backbone).__name__}; it must be OpenVLA's")
    if exit_block is not None:
        content["facts"]["backbone"]["exit_block"] = exit_block
        PolicyFacts.from_json(content["facts"])  # which refuses what it has not
    verify(checkpoint)
    folder = checkpoints.directory / "best" / checkpoint.name
    try:
        with whole_folder(folder) as partial:
            shutil.copytree(checkpoint, partial, copy_function=_link_or_copy, dirs_exist_ok=True)
            write_manifest(partial, content)  # which replaces the link, and not what it leads to
    except OSError as error:
        raise CheckpointWriteError(folder, error) from error
    return folder


def policy_to_share(source: Path) -> Path:
    """The folder of the best policy of the run folder `source`.

    Raises:
        ValueError: it has none; names the command that makes one.
    """
    checkpoint = StageCheckpoints(source / STAGE).find("best")
    if checkpoint is None:
        raise ValueError(
            f"{source} has no policy to take; name a run of launch.convert_openvla, or write what was fine-tuned in "
            f"RUN as one: python -m launch.export_finetuned --run_dir RUN --out {source}"
        )
    return checkpoint


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
