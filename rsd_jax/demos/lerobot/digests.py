"""Digests of a dataset's files, ``meta/digests.json``: written last here, and ignored by LeRobot."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rsd_jax.atomic_files import write_json
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.file_memory import once_a_file
from rsd_jax.demos.json_files import read_json_object
from rsd_jax.demos.lerobot.layout import DIGESTS_FILE
from rsd_jax.file_digests import file_digest, folder_digests


class Digests(NamedTuple):
    """What the files of a dataset were when they were written.

    Attributes:
        root: folder of the dataset.
        by_name: path below `root` -> SHA-256; None where the dataset has no digests, as others write it.
    """

    root: Path
    by_name: Mapping[str, str] | None

    def check(self, path: Path, episode: str = ALL_EPISODES) -> Path:
        """Compares a file with its digest, once a process, and returns its path. A missing file passes.

        Raises:
            DemoFileError: it is not what was written.
        """
        if self.by_name is None or not path.is_file():
            return path
        name = path.relative_to(self.root).as_posix()
        if name not in self.by_name:
            rule = f"has no digest in {DIGESTS_FILE}: one of the two has been altered since the dataset was written"
            raise DemoFileError(path, episode, "content", rule)
        if _digest(path) != self.by_name[name]:
            rule = (
                f"does not match its digest in {DIGESTS_FILE}: it has been altered since the dataset was written. "
                "Copy it again from where it came, or convert its source again"
            )
            raise DemoFileError(path, episode, "content", rule)
        return path


def write_digests(root: Path) -> None:
    """Writes the digests of all files of a dataset that is whole.

    Raises:
        OSError: the file cannot be written, or another cannot be read.
    """
    write_json(root / DIGESTS_FILE, {"sha256": folder_digests(root)})


def read_digests(root: Path) -> Digests:
    """The digests of a dataset, if it has any. Raises `DemoFileError` if their file is damaged."""
    path = root / DIGESTS_FILE
    if not path.is_file():
        return Digests(root, None)
    by_name = read_json_object(path).get("sha256")
    if not isinstance(by_name, dict):
        raise DemoFileError(path, ALL_EPISODES, "sha256", "is missing or no object: the file has been altered")
    return Digests(root, by_name)


@once_a_file(maxsize=4096)
def _digest(path: Path) -> str:
    return file_digest(path)
