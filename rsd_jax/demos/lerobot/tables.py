"""Parquet tables of a LeRobot dataset: columns by name, rows of one episode, and values that may be damaged."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.file_memory import once_a_file

EPISODE_COLUMN = "episode_index"
"""The column that tells which episode a row belongs to."""


class NotUtf8:
    """Stands for a text that cannot be read, so that the others of its column can."""

    def __init__(self, error: UnicodeDecodeError) -> None:
        self._reason = str(error)

    def __repr__(self) -> str:
        return f"not UTF-8 ({self._reason})"


def column_names(path: Path) -> list[str]:
    """Names of a table's columns. Raises `DemoFileError` if the file is missing or damaged."""
    with _named_errors(path, ALL_EPISODES):
        return list(pq.read_schema(path).names)


def read_columns(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table, with those of `names` that it has; others may be of types that are unknown here.

    Raises:
        DemoFileError: the file is missing or damaged.
    """
    found = column_names(path)
    wanted = [name for name in dict.fromkeys(names) if name in found]
    with _named_errors(path, ALL_EPISODES):
        table = pq.read_table(path, columns=wanted, partitioning=None, page_checksum_verification=True)
        columns = [cells(table[name]) for name in wanted]
    return [dict(zip(wanted, row, strict=True)) for row in zip(*columns, strict=True)]


def read_rows(path: Path, names: Sequence[str], number: int) -> pa.Table:
    """The rows of one episode, with those of `names` that the table has.

    Raises:
        DemoFileError: the file is missing or damaged, or does not tell which rows are the episode's.
    """
    episode = f"episode {number}"
    with _named_errors(path, episode):
        schema = pq.read_schema(path)
        found = schema.names
        kind = schema.field(EPISODE_COLUMN).type if EPISODE_COLUMN in found else None
        if kind is None:
            raise DemoFileError(path, episode, EPISODE_COLUMN, f"is missing; found {found}")
        if not pa.types.is_integer(kind):
            raise DemoFileError(path, episode, EPISODE_COLUMN, f"is a column of {kind}; expected whole numbers")
        wanted = [name for name in dict.fromkeys(names) if name in found]
        return pq.read_table(
            path,
            columns=wanted,
            filters=pc.field(EPISODE_COLUMN) == number,
            partitioning=None,
            page_checksum_verification=True,
        )


@once_a_file(maxsize=4096)
def count_rows(path: Path) -> Mapping[int, int]:
    """Episode -> number of its rows, of a table. Raises `DemoFileError` if the file is damaged."""
    rows = read_columns(path, [EPISODE_COLUMN])
    return Counter(row[EPISODE_COLUMN] for row in rows if EPISODE_COLUMN in row)


def cells(column: pa.ChunkedArray) -> list[Any]:
    """Values of a column; a text that cannot be read is a `NotUtf8`."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_cell(value) for value in column]


def _cell(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        return NotUtf8(error)


@contextmanager
def _named_errors(path: Path, episode: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DemoFileError(path, episode, "file", "is missing; the download is not complete") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:  # the system's, for Arrow's own have no number
            raise DemoFileError(path, episode, "file", f"cannot be read ({error})") from error
        raise DemoFileError(path, episode, "file", f"is truncated or no parquet file ({error})") from error
