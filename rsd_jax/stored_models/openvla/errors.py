"""What can be wrong with a published folder: all of it is told at once."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

SHOWN = 40
"""Lines of a message; a folder of another model has hundreds of names too many."""

ReadT = TypeVar("ReadT")


class PublishedFolderError(ValueError):
    """A folder does not hold what OpenVLA's published folders do.

    Attributes:
        folder: which one.
        problems: everything that is wrong with it.
    """

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        """Names the folder and everything that is wrong with it."""
        self.folder, self.problems = folder, tuple(problems)
        lines = [f"  {problem}" for problem in problems[:SHOWN]]
        if len(problems) > SHOWN:
            lines.append(f"  ... and {len(problems) - SHOWN} more")
        super().__init__(f"{folder} cannot be converted; nothing was written:\n" + "\n".join(lines))


class Problems:
    """What is wrong with a folder, gathered while its parts are read, one after the other."""

    def __init__(self, folder: Path) -> None:
        """Nothing yet."""
        self._folder = folder
        self._found: list[str] = []

    def add(self, problems: Iterable[str]) -> None:
        """Notes further problems of the folder."""
        self._found += problems

    def read(self, read: Callable[[], ReadT]) -> ReadT | None:
        """What `read` returns; None where it raises `PublishedFolderError`, whose problems are noted."""
        try:
            return read()
        except PublishedFolderError as error:
            elsewhere = "" if error.folder == self._folder else f"{error.folder}: "
            self._found += [f"{elsewhere}{problem}" for problem in error.problems]
            return None

    def tell(self) -> None:
        """Raises PublishedFolderError if there are any."""
        if self._found:
            raise PublishedFolderError(self._folder, self._found)
