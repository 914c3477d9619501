"""All demonstrations of a folder of HDF5 files."""

from dataclasses import dataclass
from pathlib import Path

from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.demo import Demo
from rsd_jax.demos.libero_hdf5.files import episode_names, opened
from rsd_jax.demos.libero_hdf5.reading import read_episode
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES, SourceConventions
from rsd_jax.demos.task_names import TaskNaming


@dataclass(frozen=True)
class Hdf5Demos(DemoDataset):
    """Demonstrations in one file or in all files of a folder, ordered by file and number.

    Attributes:
        conventions: what images and actions mean.
        naming: of the suite, where a file does not tell it.
        episodes: file and name of each demonstration.
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
            DemoFileError: a file is truncated, no HDF5 or has no demonstrations.
            FileNotFoundError: there is no such file or folder, or no HDF5 file in it.
        """
        path = Path(path)
        files = [path] if path.is_file() else sorted(path.rglob("*_demo.hdf5"))
        if not files:
            raise FileNotFoundError(f"no demonstration files (*_demo.hdf5) at {path}")
        episodes = []
        for file_path in files:
            with opened(file_path) as file:
                episodes += [(file_path, name) for name in episode_names(file_path, file)]
        return cls(conventions, naming or TaskNaming(), tuple(episodes))

    def __len__(self) -> int:
        """Number of demonstrations."""
        return len(self.episodes)

    def __getitem__(self, index: int) -> Demo:
        """Reads a demonstration, see `DemoDataset`."""
        path, name = self.episodes[index]
        with opened(path) as file:
            return read_episode(path, file, name, self.conventions, self.naming.suite)
