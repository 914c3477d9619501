"""Reads files of `torch.save` without PyTorch, and without running anything that the file says.

Such a file (PyTorch 1.6 and later) is a zip archive: ``NAME/data.pkl`` is a pickle of the saved object in which a
tensor is a call of a rebuild function on a storage, and ``NAME/data/KEY`` holds the bytes of storage KEY. A pickle can
name any function of any module and have it called. Here it finds only the few names that state dicts are made of, as
functions of this file; every other name becomes an `UnknownObject`, which keeps what it is given and does nothing.
"""

import errno
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

_DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "int64": np.dtype(np.int64),
    "int32": np.dtype(np.int32),
    "int16": np.dtype(np.int16),
    "int8": np.dtype(np.int8),
    "uint8": np.dtype(np.uint8),
    "bool": np.dtype(np.bool_),
    "complex64": np.dtype(np.complex64),
    "complex128": np.dtype(np.complex128),
}
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}


class TorchFileError(ValueError):
    """A file is none that `torch.save` has written, or is damaged. The message names the file and the fix."""

    def __init__(self, path: Path, reason: str, fix: str = "Copy or download the file again") -> None:
        """Names the file, what is wrong with it and what to do."""
        super().__init__(f"{path} cannot be read as a file of torch.save: {reason}. {fix}")


class UnknownObject:
    """Stands for an object of a class, or the result of a function, that this reader doesn't know.

    Attributes:
        global_name: the name in the file, such as ``argparse.Namespace``; the same for all objects of the name.
        arguments: what the class or function was to be called with.
        state: what the object's attributes were to be set to, for most classes a dict; None if the file says nothing.
        items: what was to be put into it, in order; pairs of a key and a value, or values.
    """

    global_name: str
    arguments: tuple[Any, ...]
    state: Any
    items: list[Any]

    def __new__(cls, *arguments: Any, **keywords: Any) -> "UnknownObject":
        """Keeps the arguments and calls nothing."""
        made = object.__new__(cls)
        made.arguments, made.state, made.items = (*arguments, *keywords.items()), None, []
        return made

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        pass

    def __repr__(self) -> str:
        return f"<unknown {self.global_name}>"

    def __call__(self, *arguments: Any) -> "UnknownObject":
        """Another unknown object: whatever an unknown function's result would do is not done."""
        return type(self)(*arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        """Keeps a list's or a set's item."""
        self.items.append(value)

    add = append


class _StorageType(NamedTuple):
    """What a storage's class says: in which elements it counts."""

    dtype: str


class _Storage(NamedTuple):
    content: bytes
    dtype: str
    swap_bytes: bool


def read_torch_file(path: Path | str) -> Any:
    """Reads what `torch.save` has written: dicts, lists and tuples of NumPy arrays and plain values.

    Tensors and parameters become arrays of their own shape and type (`ml_dtypes.bfloat16` included), whatever device
    they were on and however they were strided; ``torch.Size`` becomes a tuple and a dtype its name. Objects of any
    other class are `UnknownObject`.

    Args:
        path: a ``.pt`` or ``.pth`` file.

    Raises:
        FileNotFoundError: there is no such file.
        TorchFileError: it is no zip archive (before PyTorch 1.6 files were none), is damaged, or isn't of torch.save.
    """
    path = Path(path)
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise TorchFileError(
                path,
                "it is no zip archive; it may be incomplete, or in the format of PyTorch before 1.6",
                "Copy it again, or write it anew where PyTorch is installed: "
                f'torch.save(torch.load("{path.name}", map_location="cpu"), "{path.name}")',
            )
        try:
            with zipfile.ZipFile(file) as archive:
                return _read_archive(path, archive)
        except _DAMAGE as error:
            raise TorchFileError(path, f"{type(error).__name__}: {error}") from error
        except OSError as error:
            if error.errno != errno.EINVAL:  # a disk that fails is no damage of the file
                raise
            raise TorchFileError(path, "the archive's index points before its beginning: bytes are missing") from error


# What unpickling and unzipping raise on bytes that are not what they should be.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def _read_archive(path: Path, archive: zipfile.ZipFile) -> Any:
    names = set(archive.namelist())
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise pickle.UnpicklingError(f"the archive holds {len(pickles)} files NAME/data.pkl instead of one")
    folder = pickles[0].removesuffix("data.pkl")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in names else b"little"
    with archive.open(pickles[0]) as file:
        return _StateUnpickler(file, lambda key: archive.read(f"{folder}data/{key}"), order.strip() == b"big").load()


class _StateUnpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], read_storage: Callable[[str], bytes], big_endian: bool) -> None:
        super().__init__(file, encoding="utf-8")
        self._read_storage = read_storage
        self._big_endian = big_endian
        self._storages: dict[str, bytes] = {}
        self._globals = _known_globals()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Only looks names up in a table; imports nothing."""
        name = f"{module_name}.{global_name}"
        if name not in self._globals:
            self._globals[name] = type("UnknownObject", (UnknownObject,), {"global_name": name})
        return self._globals[name]

    def persistent_load(self, pid: Any, /) -> _Storage:
        kind, storage_type, key, _, size = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError(f"{kind!r} of type {storage_type!r} is no storage of a dense tensor")
        if key not in self._storages:
            self._storages[key] = self._read_storage(key)
        content, dtype = self._storages[key], storage_type.dtype
        expected = size * _DTYPES[dtype].itemsize
        if len(content) != expected:
            raise pickle.UnpicklingError(f"storage {key} has {len(content)} bytes instead of {expected}")
        return _Storage(content, dtype, self._big_endian)


def _known_globals() -> dict[str, Any]:
    """What names of a pickle stand for.

    Made anew for each file: a pickle can set attributes of whatever it has found.
    """

    def rebuild_tensor(
        storage: _Storage,
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        requires_grad: bool = False,
        hooks: Any = None,
        metadata: Any = None,
    ) -> NDArray[Any]:
        del requires_grad, hooks, metadata
        return _strided(storage, _DTYPES[storage.dtype], offset, size, stride)

    def rebuild_tensor_of_type(
        storage: _Storage,
        offset: int,
        size: tuple[int, ...],
        stride: tuple[int, ...],
        requires_grad: bool,
        hooks: Any,
        dtype: str,
        metadata: Any = None,
    ) -> NDArray[Any]:
        del requires_grad, hooks, metadata
        return _strided(storage, _DTYPES[dtype], offset, size, stride)

    def rebuild_parameter(tensor: NDArray[Any], *settings: Any) -> NDArray[Any]:
        del settings
        return tensor

    def rebuild_size(sizes: tuple[int, ...] = ()) -> tuple[int, ...]:
        return tuple(sizes)

    return {
        "collections.OrderedDict": OrderedDict,
        "torch._utils._rebuild_tensor": rebuild_tensor,
        "torch._utils._rebuild_tensor_v2": rebuild_tensor,
        "torch._utils._rebuild_tensor_v3": rebuild_tensor_of_type,
        "torch._utils._rebuild_parameter": rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": rebuild_parameter,
        "torch.Size": rebuild_size,
        "torch.storage.UntypedStorage": _StorageType("uint8"),
        **{f"torch.{name}": _StorageType(dtype) for name, dtype in STORAGES.items()},
        **{f"torch.{name}": name for name in _DTYPES},
    }


def _strided(
    storage: _Storage, dtype: np.dtype[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> NDArray[Any]:
    """The elements of a tensor as an array of their own, after a check that the storage holds them all."""
    values = np.frombuffer(storage.content, dtype)
    if len(size) != len(stride) or min((offset, *size, *stride)) < 0:
        raise pickle.UnpicklingError(f"a tensor has offset {offset}, size {size} and stride {stride}")
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    if 0 not in size and last >= len(values):
        raise pickle.UnpicklingError(f"a tensor ends at element {last} of a storage of {len(values)}")
    strides = tuple(step * dtype.itemsize for step in stride)
    start = min(offset, len(values))
    copied = np.array(np.lib.stride_tricks.as_strided(values[start:], size, strides), order="C")
    return copied.byteswap() if storage.swap_bytes else copied
