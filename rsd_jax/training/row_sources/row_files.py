"""Rows in files: written once, complete or not at all, and mapped into memory.

A folder holds a file of raw values for every array (rows one after the other, in the machine's order of bytes) and
``rows.json`` with its type and shape. Nothing is compressed: the file system's cache serves rows that were read
before, to all processes of a machine. Folders may be removed at any time; they are made again.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rsd_jax.atomic_files import whole_folder
from rsd_jax.content_check import read_checked_json, write_checked_json
from rsd_jax.folder_lock import one_at_a_time
from rsd_jax.training.row_sources.interface import Rows

CONTENTS = "rows.json"


class DamagedRowFilesError(ValueError):
    """A folder of rows doesn't hold what it should."""


class RowWriter:
    """Appends rows to the files of a folder, so that never all of them are in memory."""

    def __init__(self, folder: Path) -> None:
        """Starts with no rows; `folder` exists and is empty."""
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._contents: dict[str, dict[str, Any]] = {}

    def append(self, rows: Rows) -> None:
        """Writes `rows` behind those that are there.

        Raises:
            ValueError: an array has another type or another shape of a row than before.
        """
        for name, array in rows.items():
            entry = describe_row(array)
            known = self._contents.setdefault(name, {**entry, "rows": 0})
            if any(known[key] != value for key, value in entry.items()):
                raise ValueError(f"rows {name!r} are {entry}, but those before were {known}; all must be alike")
            if name not in self._files:
                self._files[name] = (self._folder / f"{name}.bin").open("wb")
            np.ascontiguousarray(array).tofile(self._files[name])
            known["rows"] += len(array)

    def append_folder(self, folder: Path) -> None:
        """Appends the rows of another folder, bytes for bytes.

        Raises:
            DamagedRowFilesError: a file is missing or too short.
            ValueError: an array has another type or another shape of a row than before.
        """
        self.append(map_rows_of(folder))

    def close(self) -> None:
        """Closes the files and writes the table of contents."""
        for file in self._files.values():
            file.close()
        write_checked_json(self._folder / CONTENTS, self._contents)


def stored_rows(folder: Path, write: Callable[[RowWriter], None]) -> dict[str, NDArray[Any]]:
    """Maps the rows of `folder`, which `write` makes if they are not there.

    Of several processes that ask at once, one makes them and the others wait; with no file system in common, one each.

    Raises:
        DamagedRowFilesError: a file is missing or too short.
        OSError: the folder cannot be written or read.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder.parent / f".{folder.name}.lock"):
        if not folder.exists():
            with whole_folder(folder, lasts=False) as partial:
                writer = RowWriter(partial)
                try:
                    write(writer)
                finally:
                    writer.close()
    return map_rows_of(folder)


def rows_on_disk(rows: Rows, parent: Path, name: str) -> dict[str, NDArray[Any]]:
    """The same rows, mapped: those in memory are first written to ``parent/NAME-DIGEST``, if they aren't there yet."""
    in_memory = {key: array for key, array in rows.items() if not isinstance(array, np.memmap)}
    if not in_memory:
        return dict(rows)
    digest = hashlib.blake2b(digest_size=16)
    for key, array in in_memory.items():
        digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    mapped = stored_rows(parent / f"{name}-{digest.hexdigest()}", lambda writer: writer.append(in_memory))
    return {key: mapped.get(key, array) for key, array in rows.items()}


def describe_row(array: NDArray[Any]) -> dict[str, Any]:
    """Type and shape of a row of `array`, as the table of contents tells them."""
    # NumPy has no letters for types that are not its own, such as bfloat16.
    name = array.dtype.name if array.dtype.kind == "V" else array.dtype.str
    return {"dtype": name, "row": list(array.shape[1:])}


def read_contents(folder: Path) -> dict[str, dict[str, Any]]:
    """The table of contents: by name, type and shape of a row, and how many there are.

    Raises:
        DamagedRowFilesError: it is missing or altered.
    """
    try:
        return read_checked_json(folder / CONTENTS)
    except (OSError, ValueError) as error:
        raise DamagedRowFilesError(f"{folder / CONTENTS}: {error}; remove the folder, it is made again") from error


def map_rows_of(folder: Path) -> dict[str, NDArray[Any]]:
    """The rows of a folder, mapped into memory.

    Raises:
        DamagedRowFilesError: a file is missing or too short.
    """
    contents = read_contents(folder)
    rows: dict[str, NDArray[Any]] = {}
    for name, entry in contents.items():
        path, dtype, shape = folder / f"{name}.bin", np.dtype(entry["dtype"]), (entry["rows"], *entry["row"])
        expected = dtype.itemsize * int(np.prod(shape))
        size = path.stat().st_size if path.exists() else 0
        if size != expected:
            raise DamagedRowFilesError(
                f"{path} holds {size} bytes; {entry['rows']} rows of {name!r} are {expected}: remove the folder, it "
                "is made again"
            )
        rows[name] = np.memmap(path, dtype, "r", shape=shape)
    return rows
