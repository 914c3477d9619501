"""Where published tensors are read from, one at a time: files of safetensors and of `torch.save`."""

import math
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from rsd_jax.stored_models.openvla.errors import Problems, PublishedFolderError
from rsd_jax.stored_models.openvla.json_object import read_json_object
from rsd_jax.stored_models.torch_file import TorchFileError, read_torch_file

WEIGHTS_INDEX, WEIGHTS = "model.safetensors.index.json", "model.safetensors"

_WRAPPER = "module."
"""What PyTorch's data parallelism puts in front of a module's names."""


class TensorFact(NamedTuple):
    """Shape of a tensor, its type by NumPy's name, and bytes that it takes."""

    shape: tuple[int, ...]
    dtype: str
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
            PublishedFolderError: there are no weights, files are missing or damaged, or they do not hold what the
                index says, and nothing else.
        """
        problems = Problems(folder)
        indexed = _weight_map(folder)
        names = sorted(set(indexed.values())) if indexed is not None else [WEIGHTS]
        held: dict[str, dict[str, TensorFact]] = {}
        for file in names:
            found = problems.read(partial(_facts, folder / file))
            if found is not None:
                held[file] = found
        if indexed is None:
            indexed = {name: file for file, facts in held.items() for name in facts}
        else:
            problems.add(_stray_files(folder, names))
        problems.add(
            f"{file} does not hold {name}, which the index names"
            for name, file in indexed.items()
            if file in held and name not in held[file]
        )
        problems.add(
            f"{file} holds {name}, which the index does not have there"
            for file, facts in held.items()
            for name in facts
            if indexed.get(name) != file
        )
        problems.tell()
        self._files = {name: folder / file for name, file in indexed.items()}
        self.facts: dict[str, TensorFact] = {name: held[file][name] for name, file in indexed.items()}

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


def _weight_map(folder: Path) -> dict[str, str] | None:
    """The names of files by those of their tensors, from the index; None where there is one file and no index."""
    index = folder / WEIGHTS_INDEX
    if not index.is_file():
        if not (folder / WEIGHTS).is_file():
            raise PublishedFolderError(folder, [f"neither {WEIGHTS_INDEX} nor {WEIGHTS} is there"])
        return None
    weight_map = read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
        isinstance(file, str) and Path(file).name == file for file in weight_map.values()
    ):
        raise PublishedFolderError(folder, [f"{index.name} is damaged: its weight_map does not name files by tensor"])
    return dict(weight_map)


def _stray_files(folder: Path, indexed: Collection[str]) -> Iterator[str]:
    """Complains of weights beside those that the index names: of another time, or the ones that should be read."""
    for file in sorted(folder.glob("model*.safetensors")):
        if file.name not in indexed:
            yield f"unexpected: {file.name}, which the index does not name; move one of them away"


def _facts(file: Path) -> dict[str, TensorFact]:
    with _open(file) as opened:
        facts = {}
        for name in opened.keys():  # noqa: SIM118 (it is no dict)
            part = opened.get_slice(name)
            shape = tuple(part.get_shape())
            dtype, width = _DTYPES.get(part.get_dtype(), (part.get_dtype(), 1))
            facts[name] = TensorFact(shape, dtype, math.prod(shape) * width)
        return facts


_DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
"""Names of types in safetensors: NumPy's name, and bytes of a number. What is not here is refused by its name."""


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
            PublishedFolderError: it is damaged, or holds something other than a dict of tensors.
        """
        try:
            content = read_torch_file(path)
        except TorchFileError as error:
            raise PublishedFolderError(path.parent, [str(error)]) from error
        if not isinstance(content, Mapping) or not all(isinstance(each, np.ndarray) for each in content.values()):
            raise PublishedFolderError(path.parent, [f"{path.name} holds other things than tensors by name"])
        self._tensors = {f"{prefix}.{str(name).removeprefix(_WRAPPER)}": array for name, array in content.items()}
        if len(self._tensors) < len(content):
            raise PublishedFolderError(path.parent, [f"{path.name} holds a tensor twice, with and without {_WRAPPER}"])
        self.facts = {
            name: TensorFact(array.shape, array.dtype.name, array.nbytes) for name, array in self._tensors.items()
        }

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
