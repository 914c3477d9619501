"""A published folder of OpenVLA or OpenVLA-OFT: what is in it, and whether it is what it must be."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from flax import linen as nn
from flax.traverse_util import flatten_dict

from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.prompt import TOKENIZER_FILE
from rsd_jax.heads.action_tokens_head import ActionTokensConfig
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.stored_models.openvla.dataset_statistics import Ranges, read_ranges
from rsd_jax.stored_models.openvla.errors import PublishedFolderError
from rsd_jax.stored_models.openvla.lora_adapter import ADAPTER_CONFIG, ADAPTER_FOLDER, MergedAdapter
from rsd_jax.stored_models.openvla.published_config import CONFIG, sizes_of
from rsd_jax.stored_models.openvla.published_names import (
    ACTION_HEAD,
    STATE_PROJECTOR,
    ArrayPath,
    PublishedArray,
    published_arrays,
    unused_tensors,
)
from rsd_jax.stored_models.openvla.tensor_source import (
    WEIGHTS_INDEX,
    SafetensorsFolder,
    TensorSource,
    TensorSources,
    TorchFile,
    has_weights,
)
from rsd_jax.stored_models.openvla.weight_layouts import Shape

_SMALL_FILES = ("*.json", "*.model", "*.py", "*.txt", "*.md")
"""What else a folder holds that PyTorch's users need, and no weights."""


@dataclass(frozen=True)
class PublishedFolder:
    """A folder whose every tensor is accounted for.

    Attributes:
        network: the policy that it holds.
        ranges: of its actions and of the robot's state.
        arrays: the policy's arrays, in the order of `jax.tree.leaves`. shapes: of these, by path.
        unused: names of tensors that no output depends on.
        tensors: what is read from it.
        files: those that are no weights, by name.
    """

    network: PolicyNetwork
    ranges: Ranges
    arrays: tuple[PublishedArray, ...]
    shapes: Mapping[ArrayPath, Shape]
    unused: tuple[str, ...]
    tensors: TensorSource
    files: Mapping[str, Path]


def open_published(
    source: Path, base: Path | None = None, statistics_key: str = "", **backbone: Any
) -> PublishedFolder:
    """Opens a folder and accounts for every name in it, before anything large is read.

    Args:
        source: with weights, and for OFT the files ``action_head--*.pt`` and ``proprio_projector--*.pt``; or a
            checkpoint of OFT's training, with ``lora_adapter/`` and these files.
        base: for an adapter, the folder of the weights that it changes.
        statistics_key: the dataset whose ranges hold, see `read_ranges`.
        backbone: further fields of `OpenVlaBackbone`.

    Raises:
        PublishedFolderError: something is missing, unexpected or of another shape: all of it is listed.
        FileNotFoundError: there is no such folder.
    """
    for folder in (source, base):
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder")
    weights = _open_weights(source, base)
    config = _read_json(source / CONFIG if (source / CONFIG).is_file() else (base or source) / CONFIG)
    sizes = sizes_of(config, source)
    beside = {kind: _file_beside(source, kind) for kind in (ACTION_HEAD, STATE_PROJECTOR)}
    tensors = TensorSources(weights, *(TorchFile(file, kind) for kind, file in beside.items() if file is not None))
    ranges = read_ranges(source, config, statistics_key)
    if beside[ACTION_HEAD] is None:
        backbone = {"cameras": ("agentview",), "chunk_length": 1, "is_causal": True, **backbone}
    if beside[STATE_PROJECTOR] is None:
        backbone = {"state_size": 0, **backbone}
    network = _network(OpenVlaBackbone(sizes=sizes, **backbone), beside[ACTION_HEAD] is not None)
    arrays, shapes = _arrays_in_order(network)
    unused = unused_tensors(sizes)
    _account_for(source, arrays, shapes, unused, tensors)
    return PublishedFolder(network, ranges, arrays, shapes, tuple(unused), tensors, _small_files(source, base))


def _open_weights(source: Path, base: Path | None) -> TensorSource:
    adapter = source if (source / ADAPTER_CONFIG).is_file() else source / ADAPTER_FOLDER
    if base is not None:
        if has_weights(source) and adapter != source:
            raise PublishedFolderError(source, ["it has weights of its own, merged already: leave the base out"])
        return MergedAdapter(SafetensorsFolder(base), adapter)
    if not has_weights(source) and (adapter / ADAPTER_CONFIG).is_file():
        named = _read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
        raise PublishedFolderError(
            source, [f"it has an adapter and no weights: name the folder of what it changes ({named}) as the base"]
        )
    return SafetensorsFolder(source)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PublishedFolderError(file.parent, [f"{file.name} is missing"]) from error
    except ValueError as error:
        raise PublishedFolderError(file.parent, [f"{file.name} is no JSON ({error})"]) from error
    if not isinstance(content, dict):
        raise PublishedFolderError(file.parent, [f"{file.name} holds no JSON object"])
    return content


def _file_beside(folder: Path, kind: str) -> Path | None:
    found = sorted(path for path in folder.glob(f"{kind}*.pt") if "checkpoint" in path.name)
    if len(found) > 1:
        raise PublishedFolderError(folder, [f"several files are of {kind}: {', '.join(path.name for path in found)}"])
    return found[0] if found else None


def _network(backbone: OpenVlaBackbone, has_head: bool) -> PolicyNetwork:
    width = backbone.sizes.language.width
    head = ResidualRegressionConfig(backbone.action_dim, width) if has_head else ActionTokensConfig()
    return PolicyNetwork(backbone, head)


def _arrays_in_order(network: PolicyNetwork) -> tuple[tuple[PublishedArray, ...], dict[ArrayPath, Shape]]:
    backbone, head = network.backbone, network.head
    assert isinstance(backbone, OpenVlaBackbone)
    drawn = nn.unbox(jax.eval_shape(network.init, jax.random.key(0)))
    shapes = {path: leaf.shape for path, leaf in flatten_dict(drawn).items()}
    blocks = head.blocks if isinstance(head, ResidualRegressionConfig) else None
    known = {each.path: each for each in published_arrays(backbone.sizes, backbone.state_size > 0, blocks)}
    assert known.keys() == shapes.keys(), sorted(known.keys() ^ shapes.keys())
    order = [tuple(key.key for key in path) for path, _ in jax.tree_util.tree_leaves_with_path(drawn)]
    return tuple(known[path] for path in order), shapes


def _account_for(
    source: Path,
    arrays: tuple[PublishedArray, ...],
    shapes: Mapping[ArrayPath, Shape],
    unused: Mapping[str, Shape],
    tensors: TensorSource,
) -> None:
    """Raises PublishedFolderError unless exactly the tensors are there that must be, each in its shape."""
    expected = dict(unused)
    for array in arrays:
        expected |= dict(zip(array.names, array.layout.published_shapes(shapes[array.path]), strict=True))
    found = {name: fact.shape for name, fact in tensors.facts.items()}
    problems = [f"missing: {name} {expected[name]}" for name in expected if name not in found]
    problems += [f"unexpected: {name} {found[name]}" for name in found if name not in expected]
    problems += [
        f"wrong shape: {name} has {found[name]}; expected {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    if problems:
        raise PublishedFolderError(source, problems)


def _small_files(source: Path, base: Path | None) -> dict[str, Path]:
    """Of `source`, and of `base` what is not in it."""
    files = {
        path.name: path
        for folder in (base, source)
        if folder is not None
        for pattern in _SMALL_FILES
        for path in sorted(folder.glob(pattern))
        if path.name not in (WEIGHTS_INDEX, ADAPTER_CONFIG)
    }
    if TOKENIZER_FILE not in files:
        raise PublishedFolderError(source, [f"{TOKENIZER_FILE} is missing; save the tokenizer anew by transformers"])
    return files
