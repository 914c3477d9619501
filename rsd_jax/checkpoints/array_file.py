"""A nested dict of arrays with JSON metadata in one safetensors file, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rsd_jax.array_types import PyTree
from rsd_jax.atomic_files import whole_file
from rsd_jax.checkpoints.errors import CheckpointError

_SEPARATOR = "/"
_METADATA = "rsd_jax"


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
    try:
        with whole_file(path) as partial:
            save_file(flat, partial, {_METADATA: json.dumps(metadata, sort_keys=True)})
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from error


def read_array_file(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and nested dict of NumPy arrays of a file that `write_array_file` has written.

    Raises:
        ArrayFileError: there is no such file, it is damaged, or it was written by something else.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = json.loads((file.metadata() or {})[_METADATA])
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (OSError, SafetensorError, ValueError) as error:
        raise ArrayFileError(path, error) from error
    except KeyError as error:
        raise ArrayFileError(path, "it was not written by rsd_jax") from error
    return metadata, unflatten_dict(flat, sep=_SEPARATOR)
