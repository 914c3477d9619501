"""What was found out about a file is not found out again, as long as the file stays as it is."""

from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")


def once_a_file(maxsize: int) -> Callable[[Callable[[Path], Found]], Callable[[Path], Found]]:
    """Calls a function once for each file and process; again for a file whose size or time of change is another.

    Args:
        maxsize: files that are remembered.

    Returns:
        A decorator. What it makes raises `OSError` for a file that is not there.
    """

    def decorate(function: Callable[[Path], Found]) -> Callable[[Path], Found]:
        @lru_cache(maxsize=maxsize)
        def remembered(path: Path, modified: int, size: int) -> Found:
            return function(path)

        @wraps(function)
        def call(path: Path) -> Found:
            status = path.stat()
            return remembered(path, status.st_mtime_ns, status.st_size)

        return call

    return decorate
