"""A nested dict of arrays with JSON metadata in one safetensors file, written whole or not at all.

The file holds a digest of its metadata and arrays, so that whoever reads it knows that none has changed.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rsd_jax.array_types import PyTree
from rsd_jax.atomic_files import whole_file
from rsd_jax.checkpoints.errors import CheckpointError

_SEPARATOR = "/"
_METADATA, _DIGEST = "rsd_jax", "sha256"

_LOGGER = logging.getLogger(__name__)


class ArrayFileError(CheckpointError):
    """A file of arrays cannot be read."""

    def __init__(self, path: Path, reason: object) -> None:
        """Names the file and what is wrong with it."""
        super().__init__(f"{path} cannot be read: {reason}. Use a file that rsd_jax has saved, intact")


def write_array_file(path: Path, arrays: dict[str, PyTree], metadata: dict[str, Any]) -> None:
    """Writes `arrays`, nested dicts, to the file `path`, replacing what was there.

    Raises:
        OSError: it cannot be written; nothing half-written remains.
    """
    flat = {
        name: np.ascontiguousarray(np.asarray(array)) for name, array in flatten_dict(arrays, sep=_SEPARATOR).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(metadata, sort_keys=True)
    try:
        with whole_file(path) as partial:
            save_file(flat, partial, {_METADATA: text, _DIGEST: _digest(text, flat)})
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from error


def read_array_file(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and nested dict of NumPy arrays of a file that `write_array_file` has written.

    Raises:
        ArrayFileError: there is no such file, it is damaged or altered, or it was written by something else.
    """
    try:
        with safe_open(path, framework="np") as file:
            held = file.metadata() or {}
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    # Types and shapes are taken from the file: what a damaged one raises depends on where it is damaged.
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ArrayFileError(path, error) from error
    if _METADATA not in held:
        raise ArrayFileError(path, "it was not written by rsd_jax")
    _check_unaltered(path, held, flat)
    try:
        metadata, arrays = json.loads(held[_METADATA]), unflatten_dict(flat, sep=_SEPARATOR)
    except (ValueError, TypeError) as error:
        raise ArrayFileError(path, f"its header is damaged ({error})") from error
    if not isinstance(metadata, dict):
        raise ArrayFileError(path, "its metadata is no JSON object")
    return metadata, arrays


def _check_unaltered(path: Path, held: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> None:
    if more := sorted(held.keys() - {_METADATA, _DIGEST}):
        raise ArrayFileError(path, f"its header is altered, or of a later version: it holds {', '.join(more)}")
    if _DIGEST not in held:
        _note_without_digest(path)
    elif held[_DIGEST] != (found := _digest(held[_METADATA], arrays)):
        raise ArrayFileError(path, f"it is altered: its digest is {held[_DIGEST]}, that of what it holds {found}")


@cache
def _note_without_digest(path: Path) -> None:
    """Once a file and process."""
    _LOGGER.warning(
        "%s holds no digest, as an earlier version wrote it: whether it is unaltered cannot be told. Saving it again "
        "adds one.",
        path,
    )


def _digest(metadata: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of the metadata as it is written, and of names, types, shapes and values."""
    digest = hashlib.sha256(metadata.encode())
    for name, array in sorted(arrays.items()):
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
