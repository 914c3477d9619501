"""From a fine-tuned OpenVLA to a policy that everything takes like any other: adapters merged into their weights."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict
from numpy.typing import NDArray

from rsd_jax.backbones.openvla.adapted_backbone import ADAPTERS, BASE
from rsd_jax.backbones.openvla.backbone import PUBLISHED_FOLDER
from rsd_jax.backbones.openvla.low_rank import merged_kernel
from rsd_jax.checkpoints import CheckpointError
from rsd_jax.checkpoints.array_files import describe_trees, read_leaves
from rsd_jax.checkpoints.errors import MissingCheckpointError
from rsd_jax.checkpoints.manifest import verify
from rsd_jax.checkpoints.metadata import CheckpointMetadata
from rsd_jax.checkpoints.stage_checkpoints import Leaf, StageCheckpoints, read_params_hash
from rsd_jax.policy_network import BACKBONE
from rsd_jax.stored_models.openvla.conversion import UNUSED
from rsd_jax.stored_models.openvla.finetuned_facts import FinetunedFacts
from rsd_jax.stored_models.openvla.untrained_checkpoint import STAGE as POLICY
from rsd_jax.stored_models.openvla.untrained_checkpoint import new_policy_checkpoints, save_policy

FINETUNE = "openvla_finetune"
"""Folder of a fine-tuning inside a run's folder."""

_Path = tuple[str, ...]


class OtherBaseError(CheckpointError):
    """A policy is not the one that a fine-tuning began with."""


def export_finetuned(run_dir: Path, out: Path, dtype: str | None = None) -> Path:
    """Writes the best fine-tuned policy of `run_dir` as the policy of the run folder `out`, like a converted one.

    Adapters are merged into the weights that they change. The arrays of a block are in memory at once.

    Args:
        run_dir: the run's folder.
        out: a run's folder without a policy.
        dtype: of the parameters; None leaves each in the type that it had before it was fine-tuned.

    Returns:
        The checkpoint's folder.

    Raises:
        CheckpointError: the run has no fine-tuned policy, it or what it began with is missing or damaged, or that has
            changed since.
        FileExistsError: `out` has a policy.
        CheckpointWriteError: `out` is full or not writable; nothing half-written remains.
    """
    checkpoint, metadata = _newest(run_dir, FINETUNE)
    facts = FinetunedFacts.from_json(metadata.facts)
    source, _ = _newest(Path(facts.source), POLICY)
    if (found := read_params_hash(source)) != facts.source_hash:
        raise OtherBaseError(
            f"the policy of {facts.source} is not the one that {run_dir} was fine-tuned from: its parameters' hash is "
            f"{found}, and was {facts.source_hash}. Put that policy back, or fine-tune anew"
        )
    checkpoints = new_policy_checkpoints(out)
    for folder in (checkpoint, source):
        verify(folder)
    files = {path.name: path for path in (source / PUBLISHED_FOLDER).iterdir()}
    config = {"finetuned_from": facts.source, "finetuned_in": str(run_dir), "step": metadata.step, "dtype": dtype}
    arrays = _Arrays(checkpoint / "arrays", source / "arrays", facts)
    return save_policy(checkpoints, arrays.leaves(dtype), facts.policy, config, files)


def _newest(run_dir: Path, stage: str) -> tuple[Path, CheckpointMetadata]:
    checkpoints = StageCheckpoints(run_dir / stage)
    folder, metadata = checkpoints.find("best"), checkpoints.read_metadata("best")
    if folder is None or metadata is None:
        raise MissingCheckpointError(checkpoints.directory / "best", stage, run_dir)
    return folder, metadata


class _Arrays:
    """Parameters of the policy that a fine-tuning has made, read a block at a time."""

    def __init__(self, trained: Path, source: Path, facts: FinetunedFacts) -> None:
        self._trained, self._source, self._facts = trained, source, facts
        self._of_trained, self._of_source = map(_described, (trained, source))
        self._adapters: dict[_Path, dict[str, _Path]] = {}
        for path in self._of_trained:
            if path[:2] == (BACKBONE, ADAPTERS):
                self._adapters.setdefault(path[2:-1], {})[path[-1]] = path

    def leaves(self, dtype: str | None) -> Iterator[Leaf]:
        """All, in the order of `jax.tree.leaves`, and what else the policy's checkpoint had."""
        shapes = nn.unbox(jax.eval_shape(self._facts.policy.network.init, jax.random.key(0)))
        paths = [tuple(entry.key for entry in entries) for entries, _ in jax.tree_util.tree_leaves_with_path(shapes)]
        for _, block in groupby(paths, key=lambda path: path[:3]):
            for path, leaf in self._block(list(block)):
                kept = self._of_source[path].dtype if path in self._of_source else leaf.dtype
                yield ("variables", "params", *path), leaf.astype(jnp.dtype(dtype or kept))
        yield ("variables", "model_state"), {}
        for name in describe_trees(self._source).get(UNUSED, {}):
            yield (UNUSED, name), read_leaves(self._source, UNUSED, [(name,)])[name,]

    def _block(self, paths: list[_Path]) -> Iterator[tuple[_Path, NDArray[Any]]]:
        """Each as it was trained; or as it was, with its adapter where it has one."""
        in_training = {path: found for path in paths if (found := self._in_training(path)) in self._of_trained}
        adapters = {path: adapter for path in paths if (adapter := self._adapter(path))}
        of_adapters = [at for each in adapters.values() for at in each.values()]
        trained = _read(self._trained, [*in_training.values(), *of_adapters])
        before = _read(self._source, [path for path in paths if path not in in_training])
        for path in paths:
            if path in in_training:
                yield path, trained[in_training[path]]
            elif path in adapters:
                assert self._facts.low_rank is not None
                matrices = {name: jnp.asarray(trained[at]) for name, at in adapters[path].items()}
                kernel = jnp.asarray(before[path])
                yield path, np.asarray(merged_kernel(self._facts.low_rank, path[1:-1], matrices, kernel))
            else:
                yield path, before[path]

    def _in_training(self, path: _Path) -> _Path:
        is_adapted = self._facts.low_rank is not None and path[0] == BACKBONE
        return (BACKBONE, BASE, *path[1:]) if is_adapted else path

    def _adapter(self, path: _Path) -> dict[str, _Path]:
        is_kernel = path[0] == BACKBONE and path[-1] == "kernel"
        return self._adapters.get(path[1:-1], {}) if is_kernel else {}


def _described(arrays: Path) -> dict[_Path, Any]:
    return dict(flatten_dict(describe_trees(arrays)["variables"]["params"]))


def _read(arrays: Path, paths: list[_Path]) -> dict[_Path, NDArray[Any]]:
    if not paths:
        return {}
    read = read_leaves(arrays, "variables", [("params", *path) for path in paths])
    return {path: read["params", *path] for path in paths}
