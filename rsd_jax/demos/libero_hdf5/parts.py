"""Datasets of HDF5 files, ``SUITE/TASK_demo.hdf5``, written episode by episode."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsd_jax.demos.demo import Demo
from rsd_jax.demos.libero_hdf5.dataset import Hdf5Demos
from rsd_jax.demos.libero_hdf5.merging import concatenate
from rsd_jax.demos.libero_hdf5.writing import EpisodeDescription, SceneDescription, write_episode
from rsd_jax.run_folder import demo_file


@dataclass(frozen=True)
class Hdf5Writer:
    """Writes LIBERO's HDF5 layout, see `rsd_jax.demos.writer.DemoWriter`.

    Attributes:
        scene: attributes of every file.
    """

    scene: SceneDescription = field(default_factory=SceneDescription)

    def write_part(self, folder: Path, demo: Demo) -> None:
        """Writes one episode."""
        write_episode(demo_file(folder, demo.suite, demo.task), demo, self.scene, EpisodeDescription())

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Joins the episodes of each task in one file."""
        files = defaultdict(list)
        for part in parts:
            stored = list(part.glob("*/*.hdf5"))
            if len(stored) != 1:
                raise ValueError(
                    f"{part} holds {len(stored)} files SUITE/TASK_demo.hdf5; expected that of one episode"
                )
            files[stored[0].relative_to(part)].append(stored[0])
        for name, sources in files.items():
            concatenate(sources, target / name)

    def count(self, target: Path) -> int:
        """Number of demonstrations in the files of `target`."""
        return len(Hdf5Demos.open(target))
