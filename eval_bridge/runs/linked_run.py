"""A run folder that shares what another run has made, by links, and says what it is made with."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rsd_jax.content_check import read_checked_json, write_checked_json
from rsd_jax.run_folder import ROWS_FOLDER


@dataclass(frozen=True)
class LinkedRun:
    """A folder in which stages are trained on what lies behind its links.

    Attributes:
        folder: its run folder.
        links: what lies behind links there: what it shares by name, and the rows that the first training cuts from
            the demonstrations, for all others.
        record: what it is trained with, as JSON values.
        record_name: file of the record.
    """

    folder: Path
    links: Mapping[str, Path]
    record: Mapping[str, Any]

    record_name: ClassVar[str]

    def prepare(self) -> None:
        """Makes the folder with its record and its links to what the run shares.

        Raises:
            ValueError: the folder holds what was trained with something else.
            OSError: the folder cannot be written.
        """
        path = self.folder / self.record_name
        if path.exists() and not self.has_same_record():
            found = read_checked_json(path)
            different = [key for key in self.record if self.record[key] != found.get(key)]
            raise ValueError(
                f"{self.folder} was trained with other values of {', '.join(different)} "
                f"({', '.join(repr(found.get(key)) for key in different)}): give the variant another name, or move "
                "the folder away"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.links[ROWS_FOLDER].mkdir(exist_ok=True)
        for name, source in self.links.items():
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(os.path.relpath(source, self.folder), target_is_directory=True)
        write_checked_json(path, self.record, indent=1)

    def has_same_record(self) -> bool:
        """Whether the folder is there and was made with the same."""
        path = self.folder / self.record_name
        return path.exists() and read_checked_json(path) == self.record
