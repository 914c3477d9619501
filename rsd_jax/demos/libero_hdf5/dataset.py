"""All demonstrations of a folder of HDF5 files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.demo import Demo
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.libero_hdf5.files import episode_names, opened
from rsd_jax.demos.libero_hdf5.reading import read_episode
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES, SourceConventions
from rsd_jax.demos.task_names import TaskNaming

_ENDING = "_demo.hdf5"


@dataclass(frozen=True)
class Hdf5Demos(DemoDataset):
    """Demonstrations in one file or in all files of a folder, ordered by file and number.

    Attributes:
        conventions: what images and actions mean.
        naming: of the suite, where a file does not tell it.
        episodes: file and name of each demonstration. A file of a folder that cannot be opened stands for one
            demonstration, with `ALL_EPISODES` as its name, which cannot be read.
    """

    conventions: SourceConventions
    naming: TaskNaming
    episodes: tuple[tuple[Path, str], ...]

    @classmethod
    def open(
        cls, path: Path, conventions: SourceConventions = AS_LIBERO_STORES, naming: TaskNaming | None = None
    ) -> "Hdf5Demos":
        """Lists the demonstrations of a file, or of the ``*_demo.hdf5`` in a folder and the folders below.

        Raises:
            DemoFileError: `path` is a file that is damaged, or has no demonstrations. One in a folder is found out
                when it is read, like a damaged episode.
            FileNotFoundError: there is no such file or folder, or no HDF5 file in it.
            OSError: a folder cannot be listed.
        """
        path = Path(path)
        if path.is_file():
            return cls(conventions, naming or TaskNaming(), tuple((path, name) for name in _names_in(path)))
        files = _demo_files(path)
        if not files:
            raise FileNotFoundError(f"no demonstration files (*_demo.hdf5) at {path}")
        episodes = []
        for file in files:
            try:
                episodes += [(file, name) for name in _names_in(file)]
            except DemoFileError:
                episodes.append((file, ALL_EPISODES))
        return cls(conventions, naming or TaskNaming(), tuple(episodes))

    def __len__(self) -> int:
        """Number of demonstrations."""
        return len(self.episodes)

    def __getitem__(self, index: int) -> Demo:
        """Reads a demonstration, see `DemoDataset`."""
        path, name = self.episodes[index]
        with opened(path) as file:
            if name == ALL_EPISODES:
                count = len(episode_names(path, file))
                rule = f"could not be opened before; now it can, and holds {count} demonstrations: run again"
                raise DemoFileError(path, ALL_EPISODES, "file", rule)
            return read_episode(path, file, name, self.conventions, self.naming.suite)


def _demo_files(folder: Path) -> list[Path]:
    """The files in a folder and those below, sorted; a folder that cannot be listed is no empty one."""

    def refuse(error: OSError) -> Never:
        raise error

    found = os.walk(folder, onerror=refuse) if folder.is_dir() else ()
    return sorted(Path(place, name) for place, _, files in found for name in files if name.endswith(_ENDING))


def _names_in(path: Path) -> list[str]:
    with opened(path) as file:
        return episode_names(path, file)
