"""Datasets of HDF5 files, ``SUITE/TASK_demo.hdf5``, written episode by episode."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsd_jax.demos.demo import Demo
from rsd_jax.demos.libero_hdf5.merging import concatenate
from rsd_jax.demos.libero_hdf5.writing import EpisodeDescription, SceneDescription, write_episode


@dataclass(frozen=True)
class Hdf5Writer:
    """Writes LIBERO's HDF5 layout, see `rsd_jax.demos.writer.DemoWriter`.

    Attributes:
        scene: attributes of every file.
    """

    scene: SceneDescription = field(default_factory=SceneDescription)

    def write_part(self, folder: Path, demo: Demo) -> None:
        """Writes one episode."""
        write_episode(folder / demo.suite / f"{demo.task}_demo.hdf5", demo, self.scene, EpisodeDescription())

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Joins the episodes of each task in one file."""
        files = defaultdict(list)
        for part in parts:
            for file in part.glob("*/*.hdf5"):
                files[file.relative_to(part)].append(file)
        for name, sources in files.items():
            concatenate(sources, target / name)
