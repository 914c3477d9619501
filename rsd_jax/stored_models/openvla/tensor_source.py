"""Where published tensors are read from, one at a time: files of safetensors and of `torch.save`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from rsd_jax.stored_models.openvla.errors import PublishedFolderError
from rsd_jax.stored_models.torch_file import read_torch_file

WEIGHTS_INDEX, WEIGHTS = "model.safetensors.index.json", "model.safetensors"

_WRAPPER = "module."
"""What PyTorch's data parallelism puts in front of a module's names."""


class TensorFact(NamedTuple):
    """Shape of a tensor, and bytes that it takes."""

    shape: tuple[int, ...]
    nbytes: int


class TensorSource(Protocol):
    """Tensors by name."""

    @property
    def facts(self) -> Mapping[str, TensorFact]:
        """What there is; nothing of the tensors is read for it."""
        ...

    def read(self, name: str) -> NDArray[Any]:
        """One tensor, in its own type."""
        ...


class SafetensorsFolder:
    """The weights of a folder of transformers': one file, or several with an index.

    Attributes:
        facts: see `TensorSource`.
    """

    def __init__(self, folder: Path) -> None:
        """Reads the headers of all files.

        Raises:
            PublishedFolderError: there are no weights, a file is missing or damaged, or does not hold what the index
                says.
        """
        self._files = {name: folder / file for name, file in _files_of_tensors(folder).items()}
        self.facts: dict[str, TensorFact] = {}
        for file in sorted(set(self._files.values())):
            self.facts |= _facts(file)
        lacking = sorted(name for name in self._files if name not in self.facts)
        if lacking:
            raise PublishedFolderError(
                folder, [f"{self._files[name].name} does not hold {name}, which the index names" for name in lacking]
            )
        self.facts = {name: self.facts[name] for name in self._files}

    def read(self, name: str) -> NDArray[Any]:
        """See `TensorSource`."""
        path = self._files[name]
        try:
            with _open(path) as file:
                return file.get_tensor(name)
        except SafetensorError as error:
            raise PublishedFolderError(path.parent, [f"{path.name} is damaged at {name} ({error})"]) from error


def has_weights(folder: Path) -> bool:
    """Whether there are weights in `folder` itself."""
    return (folder / WEIGHTS_INDEX).is_file() or (folder / WEIGHTS).is_file()


def _files_of_tensors(folder: Path) -> dict[str, str]:
    """The name of the file by the name of the tensor."""
    index = folder / WEIGHTS_INDEX
    if index.is_file():
        try:
            return dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        except (ValueError, KeyError, TypeError) as error:
            raise PublishedFolderError(folder, [f"{index.name} is damaged ({error!r})"]) from error
    if not (folder / WEIGHTS).is_file():
        raise PublishedFolderError(folder, [f"neither {WEIGHTS_INDEX} nor {WEIGHTS} is there"])
    return dict.fromkeys(_facts(folder / WEIGHTS), WEIGHTS)


def _facts(file: Path) -> dict[str, TensorFact]:
    with _open(file) as opened:
        facts = {}
        for name in opened.keys():  # noqa: SIM118 (it is no dict)
            part = opened.get_slice(name)
            shape = tuple(part.get_shape())
            facts[name] = TensorFact(shape, int(np.prod(shape)) * _BYTES.get(part.get_dtype(), 4))
        return facts


_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def _open(file: Path) -> Any:
    if not file.is_file():
        raise PublishedFolderError(file.parent, [f"{file.name} is missing"])
    try:
        return safe_open(file, framework="np")
    except SafetensorError as error:
        raise PublishedFolderError(file.parent, [f"{file.name} is damaged ({error})"]) from error


class TorchFile:
    """Tensors of a file of `torch.save`, read without PyTorch and without running what it says.

    Attributes:
        facts: see `TensorSource`; by names with `prefix` in front.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        """Reads the whole file.

        Raises:
            PublishedFolderError: it holds something other than a dict of tensors.
            TorchFileError: it is damaged.
        """
        content = read_torch_file(path)
        if not isinstance(content, Mapping) or not all(isinstance(each, np.ndarray) for each in content.values()):
            raise PublishedFolderError(path.parent, [f"{path.name} holds other things than tensors by name"])
        self._tensors = {f"{prefix}.{str(name).removeprefix(_WRAPPER)}": array for name, array in content.items()}
        if len(self._tensors) < len(content):
            raise PublishedFolderError(path.parent, [f"{path.name} holds a tensor twice, with and without {_WRAPPER}"])
        self.facts = {name: TensorFact(array.shape, array.nbytes) for name, array in self._tensors.items()}

    def read(self, name: str) -> NDArray[Any]:
        """See `TensorSource`."""
        return self._tensors[name]


class TensorSources:
    """Several sources as one.

    Attributes:
        facts: see `TensorSource`.
    """

    def __init__(self, *sources: TensorSource) -> None:
        """No two sources may hold the same name."""
        self._source_of = {name: source for source in sources for name in source.facts}
        self.facts = {name: source.facts[name] for name, source in self._source_of.items()}

    def read(self, name: str) -> NDArray[Any]:
        """See `TensorSource`."""
        return self._source_of[name].read(name)
