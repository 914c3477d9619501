"""A published folder of OpenVLA or OpenVLA-OFT: what is in it, and whether it is what it must be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
from flax import linen as nn
from flax.traverse_util import flatten_dict

from rsd_jax.backbones.openvla.backbone import OpenVlaBackbone
from rsd_jax.backbones.openvla.configuration import OpenVlaSizes
from rsd_jax.backbones.openvla.prompt import TOKENIZER_FILE
from rsd_jax.heads.action_tokens_head import ActionTokensConfig
from rsd_jax.heads.residual_regression_head import ResidualRegressionConfig
from rsd_jax.policy_network import PolicyNetwork
from rsd_jax.stored_models.openvla.dataset_statistics import STATISTICS, Ranges, read_ranges
from rsd_jax.stored_models.openvla.errors import Problems, PublishedFolderError
from rsd_jax.stored_models.openvla.json_object import read_json_object
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

_TYPES = ("bfloat16", "float16", "float32")
"""Of tensors; weights in 8 bits or 4 have scales beside them, and are to be saved anew without."""


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
    problems = Problems(source)
    weights = problems.read(lambda: _open_weights(source, base))
    of_config = source if base is None or (source / CONFIG).is_file() else base
    config = problems.read(lambda: read_json_object(of_config / CONFIG))
    sizes = None if config is None else problems.read(lambda: sizes_of(config, of_config))
    beside = problems.read(lambda: _files_beside(source)) or {}
    opened = [problems.read(partial(TorchFile, file, kind)) for kind, file in beside.items()]
    ranges = problems.read(lambda: read_ranges(source, config or {}, statistics_key))
    files = problems.read(lambda: _small_files(source, base))
    if STATE_PROJECTOR in beside and ACTION_HEAD not in beside and "is_causal" not in backbone:
        problems.add(
            [f"{beside[STATE_PROJECTOR].name} is there, and no {ACTION_HEAD}--*_checkpoint.pt: copy that too"]
        )
    if sizes is None:
        problems.tell()
    assert sizes is not None
    network = _network(sizes, beside, backbone)
    if ranges is not None:
        problems.add(_misfits(ranges, network))
    arrays, shapes = _arrays_in_order(network)
    unused = unused_tensors(sizes)
    if weights is None or None in opened:  # what is in them is not known
        problems.tell()
    assert weights is not None
    tensors = TensorSources(weights, *(each for each in opened if each is not None))
    problems.add(_differences(arrays, shapes, unused, tensors))
    problems.tell()
    assert ranges is not None
    assert files is not None
    return PublishedFolder(network, ranges, arrays, shapes, tuple(unused), tensors, files)


def _open_weights(source: Path, base: Path | None) -> TensorSource:
    adapter = source if (source / ADAPTER_CONFIG).is_file() else source / ADAPTER_FOLDER
    if base is not None:
        if has_weights(source) and adapter != source:
            raise PublishedFolderError(source, ["it has weights of its own, merged already: leave the base out"])
        return MergedAdapter(SafetensorsFolder(base), adapter)
    if not has_weights(source) and (adapter / ADAPTER_CONFIG).is_file():
        named = read_json_object(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
        raise PublishedFolderError(
            source, [f"it has an adapter and no weights: name the folder of what it changes ({named}) as the base"]
        )
    return SafetensorsFolder(source)


def _files_beside(folder: Path) -> dict[str, Path]:
    """The files of `torch.save` by kind; there may be no others, which would be parts of another model."""
    kinds: dict[str, list[Path]] = {ACTION_HEAD: [], STATE_PROJECTOR: []}
    problems = []
    for file in sorted(folder.glob("*.pt")):
        kind = file.name.partition("--")[0]
        if kind in kinds and file.name.endswith("checkpoint.pt"):
            kinds[kind].append(file)
        else:
            problems.append(
                f"unexpected: {file.name}; of OFT's models only those of {ACTION_HEAD}--*_checkpoint.pt (by L1 "
                f"regression) and {STATE_PROJECTOR}--*_checkpoint.pt can be read, without FiLM and diffusion"
            )
    for kind, files in kinds.items():
        if len(files) > 1:
            problems.append(f"several files are of {kind}: {', '.join(file.name for file in files)}")
    if problems:
        raise PublishedFolderError(folder, problems)
    return {kind: files[0] for kind, files in kinds.items() if files}


def _network(sizes: OpenVlaSizes, beside: Mapping[str, Path], given: Mapping[str, Any]) -> PolicyNetwork:
    fields = dict(given)
    if ACTION_HEAD not in beside:
        fields = {"cameras": ("agentview",), "chunk_length": 1, "is_causal": True, **fields}
    if STATE_PROJECTOR not in beside:
        fields = {"state_size": 0, **fields}
    backbone = OpenVlaBackbone(sizes=sizes, **fields)
    if ACTION_HEAD not in beside:
        return PolicyNetwork(backbone, ActionTokensConfig())
    return PolicyNetwork(backbone, ResidualRegressionConfig(backbone.action_dim, sizes.language.width))


def _misfits(ranges: Ranges, network: PolicyNetwork) -> Iterator[str]:
    """Complains of ranges of other dimensions than the network's."""
    backbone = network.backbone
    assert isinstance(backbone, OpenVlaBackbone)
    actions, state = len(ranges.action.center), len(ranges.state.offset)
    if actions != backbone.action_dim:
        yield f"{STATISTICS} of {ranges.key!r} has {actions} dimensions of actions; expected {backbone.action_dim}"
    if backbone.state_size and state != backbone.state_size:
        yield f"{STATISTICS} of {ranges.key!r} has {state} dimensions of proprio; expected {backbone.state_size}"


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


def _differences(
    arrays: tuple[PublishedArray, ...],
    shapes: Mapping[ArrayPath, Shape],
    unused: Mapping[str, Shape],
    tensors: TensorSource,
) -> Iterator[str]:
    """Complains unless exactly the tensors are there that must be, each of its shape and of a type that is read."""
    expected = dict(unused)
    for array in arrays:
        expected |= dict(zip(array.names, array.layout.published_shapes(shapes[array.path]), strict=True))
    found = tensors.facts
    yield from (f"missing: {name} {expected[name]}" for name in expected if name not in found)
    yield from (f"unexpected: {name} {found[name].shape}" for name in found if name not in expected)
    for name, shape in expected.items():
        if name in found and found[name].shape != shape:
            yield f"wrong shape: {name} has {found[name].shape}; expected {shape}"
        if name in found and found[name].dtype not in _TYPES:
            yield f"wrong type: {name} is {found[name].dtype}; expected one of {', '.join(_TYPES)}"
    for array in arrays:
        types = sorted({found[name].dtype for name in array.names if name in found})
        if len(types) > 1:
            yield f"wrong type: {', '.join(array.names)} are {' and '.join(types)}; expected one type of them all"


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
