"""Writes files of `torch.save` without PyTorch: a state dict, as `torch.load` reads it with ``weights_only=True``.

See `rsd_jax.stored_models.torch_file` for the format. The pickle is written instruction by instruction (protocol 2):
Python's own pickler wants to import what it names.
"""

import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsd_jax.atomic_files import whole_file
from rsd_jax.stored_models.torch_file import STORAGES

_STORAGES = {dtype: storage for storage, dtype in STORAGES.items()}


def write_torch_file(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Writes arrays by name as tensors on the CPU, replacing what was there.

    Raises:
        ValueError: PyTorch has no storage of an array's type.
        OSError: it could not be written; nothing half-written remains.
    """
    for name, array in tensors.items():
        if array.dtype.name not in _STORAGES:
            raise ValueError(f"{name} has type {array.dtype.name}; it must be one of {', '.join(_STORAGES)}")
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{path.stem}/data.pkl", _pickle(tensors))
        archive.writestr(f"{path.stem}/byteorder", "little")
        for key, array in enumerate(tensors.values()):
            with archive.open(f"{path.stem}/data/{key}", "w", force_zip64=True) as file:
                file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        archive.writestr(f"{path.stem}/version", "3\n")


def _pickle(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    items = b"".join(_text(name) + _tensor(str(key), array) for key, (name, array) in enumerate(tensors.items()))
    return pickle.PROTO + b"\x02" + _EMPTY_ORDERED_DICT + pickle.MARK + items + pickle.SETITEMS + pickle.STOP


def _tensor(key: str, array: NDArray[Any]) -> bytes:
    """A call of the function that makes a tensor of a storage, an offset, a shape and strides."""
    strides = [math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim)]
    storage = _tuple(
        _text("storage"),
        _global("torch", _STORAGES[array.dtype.name]),
        _text(key),
        _text("cpu"),
        _integer(array.size),
    )
    arguments = _tuple(
        storage + pickle.BINPERSID,
        _integer(0),
        _tuple(*map(_integer, array.shape)),
        _tuple(*map(_integer, strides)),
        pickle.NEWFALSE,
        _EMPTY_ORDERED_DICT,
    )
    return _global("torch._utils", "_rebuild_tensor_v2") + arguments + pickle.REDUCE


def _text(text: str) -> bytes:
    encoded = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def _integer(number: int) -> bytes:
    if number < 2**31:
        return pickle.BININT + struct.pack("<i", number)
    encoded = pickle.encode_long(number)
    return pickle.LONG1 + bytes([len(encoded)]) + encoded


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


_EMPTY_ORDERED_DICT = _global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
