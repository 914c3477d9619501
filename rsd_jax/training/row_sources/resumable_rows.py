"""Rows that take long to make: written piece by piece, gone on with after a stop, and whole or not there at all.

What is unfinished lies in ``FOLDER.partial`` with a journal of its pieces, the finished folder is one of
`rsd_jax.training.row_sources.row_files` whose table of contents also holds the digest of every piece.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from rsd_jax.atomic_files import partial_name
from rsd_jax.content_check import write_checked_json
from rsd_jax.training.row_sources.interface import Rows
from rsd_jax.training.row_sources.row_files import CONTENTS, DamagedRowFilesError, describe_row, read_contents

_JOURNAL = "pieces.jsonl"

_Piece = dict[str, dict[str, Any]]
"""By name, type and shape of a row, the number of rows, and the digest of their bytes."""


def make_rows(folder: Path, count: int, make: Callable[[int], Iterable[Rows]]) -> None:
    """Makes the rows of `folder`, or those that an earlier call had not made before it was stopped.

    Args:
        folder: appears only when it is complete; one process at a time may make it.
        count: number of pieces.
        make: gives the pieces from a number on, each the rows that its arrays have more; a piece may leave arrays out.

    Raises:
        OSError: the files cannot be written; what was made before is kept, as it is whatever `make` raises.
    """
    partial = partial_name(folder)
    partial.mkdir(parents=True, exist_ok=True)
    pieces = _whole_pieces(partial)
    _cut_behind(partial, pieces)
    with (partial / _JOURNAL).open("a", encoding="utf-8") as journal:
        for rows in make(len(pieces)) if len(pieces) < count else ():
            piece = {name: _append(partial, name, np.ascontiguousarray(array)) for name, array in rows.items()}
            print(json.dumps(piece), file=journal, flush=True)
            pieces.append(piece)
    assert len(pieces) == count, f"{len(pieces)} pieces were made, {count} were told"
    write_checked_json(partial / CONTENTS, _contents(pieces))
    (partial / _JOURNAL).unlink()
    partial.rename(folder)


def verify_rows(folder: Path) -> None:
    """Compares the rows of a finished folder with the digests that it holds.

    Raises:
        DamagedRowFilesError: a file is missing, too short or altered.
    """
    with ThreadPoolExecutor() as threads:  # digests are taken outside of the interpreter's lock
        for name, entry in read_contents(folder).items():
            starts = np.cumsum([0, *(rows for rows, _ in entry["pieces"])]) * _row_bytes(entry)
            digests = [digest for _, digest in entry["pieces"]]
            path = folder / f"{name}.bin"
            if list(threads.map(_digest_of, [path] * len(digests), starts, starts[1:])) != digests:
                raise DamagedRowFilesError(f"{path} is altered; remove the folder, it is made again")


def _append(partial: Path, name: str, array: np.ndarray) -> dict[str, Any]:
    data = array.reshape(-1).view(np.uint8).data
    with (partial / f"{name}.bin").open("ab") as file:
        file.write(data)
    return {**describe_row(array), "rows": len(array), "digest": _digest(data)}


def _whole_pieces(partial: Path) -> list[_Piece]:
    """The pieces of the journal up to the first that is not in the files as it was written."""
    journal = partial / _JOURNAL
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    pieces: list[_Piece] = []
    ends: dict[str, int] = {}
    for line in lines:
        try:
            piece: _Piece = json.loads(line)
        except ValueError:  # the last one, of a process that was killed
            break
        for name, entry in piece.items():
            start = ends.get(name, 0)
            ends[name] = start + entry["rows"] * _row_bytes(entry)
            if _digest_of(partial / f"{name}.bin", start, ends[name]) != entry["digest"]:
                return pieces
        pieces.append(piece)
    return pieces


def _cut_behind(partial: Path, pieces: list[_Piece]) -> None:
    """Takes away what is behind `pieces` in the files and in the journal."""
    contents = _contents(pieces)
    for path in partial.glob("*.bin"):
        entry = contents.get(path.stem)
        with path.open("r+b") as file:
            file.truncate(entry["rows"] * _row_bytes(entry) if entry else 0)
    (partial / _JOURNAL).write_text("".join(f"{json.dumps(piece)}\n" for piece in pieces), encoding="utf-8")


def _contents(pieces: list[_Piece]) -> dict[str, dict[str, Any]]:
    contents: dict[str, dict[str, Any]] = {}
    for piece in pieces:
        for name, entry in piece.items():
            known = contents.setdefault(name, {"dtype": entry["dtype"], "row": entry["row"], "rows": 0, "pieces": []})
            known["rows"] += entry["rows"]
            known["pieces"].append([entry["rows"], entry["digest"]])
    return contents


def _row_bytes(entry: dict[str, Any]) -> int:
    return np.dtype(entry["dtype"]).itemsize * int(np.prod(entry["row"]))


def _digest_of(path: Path, start: int, end: int) -> str:
    """The digest of the bytes `start` to `end` of a file; of what there is of them."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(int(start))
        return _digest(file.read(int(end - start)))


def _digest(data: bytes | memoryview) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
