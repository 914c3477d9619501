"""From the checkpoint of a policy back into a folder that PyTorch's users load."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict
from numpy.typing import NDArray
from safetensors.numpy import save_file

from rsd_jax.atomic_files import whole_folder, write_json
from rsd_jax.backbones.openvla.backbone import PUBLISHED_FOLDER, OpenVlaBackbone
from rsd_jax.checkpoints.array_files import describe_trees, read_leaves
from rsd_jax.checkpoints.errors import MissingCheckpointError
from rsd_jax.checkpoints.manifest import verify
from rsd_jax.checkpoints.stage_checkpoints import StageCheckpoints
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.stored_models.openvla.conversion import UNUSED
from rsd_jax.stored_models.openvla.published_names import (
    ACTION_HEAD,
    STATE_PROJECTOR,
    ArrayPath,
    PublishedArray,
    published_arrays,
)
from rsd_jax.stored_models.openvla.tensor_source import WEIGHTS_INDEX
from rsd_jax.stored_models.openvla.untrained_checkpoint import STAGE
from rsd_jax.stored_models.policy_facts import PolicyFacts
from rsd_jax.stored_models.random_weights import has_random_weights
from rsd_jax.stored_models.torch_file_writing import write_torch_file

SHARD_BYTES = 2**30
"""Of a file of weights, at most; so much is in memory at once."""

_BESIDE = (ACTION_HEAD, STATE_PROJECTOR)


class _Part(NamedTuple):
    """What is read at once: an array of ours, or a tensor that no output depends on."""

    names: tuple[str, ...]
    nbytes: int
    array: PublishedArray | None


def publish(run_dir: Path, out: Path, shard_bytes: int = SHARD_BYTES) -> int:
    """Writes the best policy of `run_dir` into the new folder `out`, and returns the number of its tensors.

    Every tensor is there that the published folder had, those that no output depends on unchanged, in files of
    safetensors with an index; beside them action head and state projector as files of `torch.save`, and the small
    files (configuration, tokenizer, statistics, code) as they came.

    Raises:
        MissingCheckpointError: the run has no policy.
        DamagedCheckpointError: it is damaged.
        ValueError: it is none that `write_checkpoint` has written.
        FileExistsError: `out` exists.
        OSError: it could not be written; nothing half-written remains.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists; name another folder, or move it away")
    checkpoints = StageCheckpoints(run_dir / STAGE)
    checkpoint, metadata = checkpoints.find("best"), checkpoints.read_metadata("best")
    if checkpoint is None or metadata is None:
        raise MissingCheckpointError(run_dir / STAGE / "best", STAGE, run_dir)
    network = PolicyFacts.from_json(metadata.facts).network
    backbone, head = network.backbone, network.head
    if not isinstance(backbone, OpenVlaBackbone) or not (checkpoint / PUBLISHED_FOLDER).is_dir():
        raise ValueError(f"the policy of {run_dir} is none of launch.convert_openvla: it cannot be written back")
    if has_random_weights(run_dir):
        raise ValueError(
            f"the policy of {run_dir} has random weights: it came from no published folder, so that there is no "
            "configuration to write back; convert one by launch.convert_openvla --source FOLDER"
        )
    verify(checkpoint)
    blocks = head.blocks if isinstance(head, ResidualRegressionConfig) else None
    arrays = published_arrays(backbone.sizes, backbone.state_size > 0, blocks)
    with whole_folder(out) as folder:
        for file in (checkpoint / PUBLISHED_FOLDER).iterdir():
            shutil.copyfile(file, folder / file.name)
        written = _write_weights(checkpoint, arrays, folder, shard_bytes)
        for kind in _BESIDE:
            parts = [_Part(array.names, 0, array) for array in arrays if array.names[0].startswith(f"{kind}.")]
            if parts:
                tensors = {name.removeprefix(f"{kind}."): each for name, each in _read(checkpoint, parts).items()}
                write_torch_file(folder / f"{kind}--converted_checkpoint.pt", tensors)
                written += len(tensors)
    return written


def _write_weights(checkpoint: Path, arrays: list[PublishedArray], folder: Path, shard_bytes: int) -> int:
    shards = list(_shards(_parts(checkpoint, arrays), shard_bytes))
    weight_map: dict[str, str] = {}
    total = 0
    for number, parts in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = _read(checkpoint, parts)
        save_file(tensors, folder / file, {"format": "pt"})
        weight_map |= dict.fromkeys(sorted(tensors), file)
        total += sum(tensor.nbytes for tensor in tensors.values())
    write_json(folder / WEIGHTS_INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
    return len(weight_map)


def _parts(checkpoint: Path, arrays: list[PublishedArray]) -> Iterator[_Part]:
    trees = describe_trees(checkpoint / "arrays")
    saved = flatten_dict(trees["variables"]["params"])
    for array in arrays:
        if not array.names[0].startswith(tuple(f"{kind}." for kind in _BESIDE)):
            yield _Part(array.names, _nbytes(saved[array.path]), array)
    for name, leaf in sorted(trees[UNUSED].items()):
        yield _Part((name,), _nbytes(leaf), None)


def _nbytes(leaf: Any) -> int:
    return int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize


def _shards(parts: Iterator[_Part], shard_bytes: int) -> Iterator[list[_Part]]:
    shard: list[_Part] = []
    for part in parts:
        if shard and sum(each.nbytes for each in shard) + part.nbytes > shard_bytes:
            yield shard
            shard = []
        shard.append(part)
    if shard:
        yield shard


def _read(checkpoint: Path, parts: list[_Part]) -> dict[str, NDArray[Any]]:
    """The published tensors of `parts` by name."""
    arrays = checkpoint / "arrays"
    paths: dict[ArrayPath, PublishedArray] = {part.array.path: part.array for part in parts if part.array is not None}
    tensors: dict[str, NDArray[Any]] = {}
    if paths:
        read = read_leaves(arrays, "variables", [("params", *path) for path in paths])
        for path, array in paths.items():
            tensors |= dict(zip(array.names, array.layout.split(read["params", *path]), strict=True))
    unused = [part.names[0] for part in parts if part.array is None]
    if unused:
        tensors |= {path[0]: leaf for path, leaf in read_leaves(arrays, UNUSED, [(name,) for name in unused]).items()}
    return tensors
