"""What a format that can be written offers: episodes first, one by one, then the dataset made of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rsd_jax.demos.demo import Demo


class DemoWriter(Protocol):
    """Writes a dataset in two steps, so that episodes can be written by several processes and kept over a restart.

    Instances are small and can be sent to other processes.
    """

    def write_part(self, folder: Path, demo: Demo) -> None:
        """Writes what `assemble` needs of one episode into an empty folder.

        Raises:
            OSError: the folder cannot be written, or is full.
            ValueError: the format cannot hold this demonstration.
        """
        ...

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Makes the dataset of all episodes in the empty folder `target`, in the order of `parts`.

        Raises:
            OSError: the folder cannot be written, or is full.
            ValueError: the episodes do not go together.
        """
        ...

    def count(self, target: Path) -> int:
        """Number of demonstrations in a dataset that `assemble` has made, as readers find them there.

        Raises:
            DemoFileError: it is damaged.
        """
        ...
