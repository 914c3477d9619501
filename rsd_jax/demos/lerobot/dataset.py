"""Demonstrations of a LeRobot dataset."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.demo import Demo, DemoFieldError
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.lerobot.layout import LABEL_KEY
from rsd_jax.demos.lerobot.metadata import EpisodePlace, LeRobotMetadata, read_metadata, read_table
from rsd_jax.demos.lerobot.videos import decode_frames
from rsd_jax.demos.source_conventions import UPRIGHT_LIBERO, SourceConventions, SourceEpisode, to_demo
from rsd_jax.demos.task_names import TaskName, TaskNaming


@dataclass(frozen=True)
class LeRobotDemos(DemoDataset):
    """Demonstrations of a LeRobot dataset, version 2.x or 3.0. They have no simulator states.

    Attributes:
        conventions: what images and actions mean. The rate of `metadata` is that of its timestamps alone.
        naming: how episodes get their suite and task.
        metadata: the dataset's content.
    """

    conventions: SourceConventions
    naming: TaskNaming
    metadata: LeRobotMetadata

    @classmethod
    def open(
        cls, path: Path, conventions: SourceConventions = UPRIGHT_LIBERO, naming: TaskNaming | None = None
    ) -> "LeRobotDemos":
        """Opens the folder of a dataset, the one that has ``meta/``.

        Raises:
            DemoFileError: a file of ``meta/`` is missing or damaged.
            FileNotFoundError: `path` is no dataset.
        """
        return cls(conventions, naming or TaskNaming(), read_metadata(path))

    def __len__(self) -> int:
        """Number of demonstrations."""
        return len(self.metadata.episodes)

    def __getitem__(self, index: int) -> Demo:
        """Reads a demonstration, see `DemoDataset`."""
        place = self.metadata.episodes[index]
        rows = _Rows(read_table(place.table, episode=place.number), place)
        try:
            return to_demo(self._find_episode(place, rows), self.conventions)
        except DemoFieldError as error:
            raise DemoFileError.of_field(
                place.table, f"episode {place.number}", error, self._stored_names()
            ) from error

    def _find_episode(self, place: EpisodePlace, rows: "_Rows") -> SourceEpisode:
        keys = self.metadata.keys
        instruction = self._find_instruction(rows)
        name = TaskName(place.suite, place.task)
        if not (place.suite and place.task):
            name = self.naming.name(instruction, task=None, places=[self.metadata.root.name])
        return SourceEpisode(
            suite=name.suite,
            task=name.task,
            instruction=instruction,
            actions=rows.vectors(keys.action),
            labels=rows.vectors(LABEL_KEY) if LABEL_KEY in self.metadata.features else None,
            proprio=rows.vectors(keys.state),
            frames=(
                (self._find_frames(keys.agentview, place, rows), self._find_frames(keys.wrist, place, rows))
                if self.metadata.has_frames
                else None
            ),
            seed=place.seed,
        )

    def _find_instruction(self, rows: "_Rows") -> str:
        indices = np.unique(rows.column("task_index").to_numpy())
        if len(indices) != 1 or int(indices[0]) not in self.metadata.instructions:
            known = sorted(self.metadata.instructions)
            raise DemoFieldError("task_index", f"is {indices.tolist()}; expected one of {known} for all steps")
        return self.metadata.instructions[int(indices[0])]

    def _find_frames(self, key: str, place: EpisodePlace, rows: "_Rows") -> NDArray[np.uint8]:
        if key in place.videos:
            return decode_frames(key, place.videos[key], place.length, self.metadata.fps)
        return rows.images(key)

    def _stored_names(self) -> Mapping[str, str]:
        keys = self.metadata.keys
        names = {"actions": keys.action, "labels": LABEL_KEY, "proprio": keys.state}
        return names | {"agentview": keys.agentview, "wrist": keys.wrist}


class _Rows:
    """The rows of an episode."""

    def __init__(self, table: pa.Table, place: EpisodePlace) -> None:
        if table.num_rows != place.length:
            rule = f"has {table.num_rows} rows; the table of episodes tells {place.length}"
            raise DemoFileError(place.table, f"episode {place.number}", "length", rule)
        # By frame, for nothing guarantees the order of rows.
        self._table = table.sort_by("frame_index") if "frame_index" in table.column_names else table

    def column(self, key: str) -> pa.ChunkedArray:
        if key not in self._table.column_names:
            raise DemoFieldError(key, f"is missing; found {self._table.column_names}")
        return self._table[key]

    def vectors(self, key: str) -> NDArray[np.floating]:
        rows = self.column(key).to_pylist()
        if any(row is None or np.ndim(row) != 1 or len(row) != len(rows[0]) for row in rows):
            raise DemoFieldError(key, "holds rows that are no vectors of one length")
        return np.array(rows, np.float32)

    def images(self, key: str) -> NDArray[np.uint8]:
        images = [_decode(key, step, row) for step, row in enumerate(self.column(key).to_pylist())]
        for step, image in enumerate(images):
            if image.shape != images[0].shape:
                raise DemoFieldError(key, f"of step {step} is {image.shape}; that of step 0 is {images[0].shape}")
        return np.stack(images)


def _decode(key: str, step: int, row: Mapping[str, bytes] | None) -> NDArray[np.uint8]:
    if row is None or not row.get("bytes"):
        raise DemoFieldError(key, f"of step {step} holds no encoded image")
    try:
        return np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB"), np.uint8)
    except OSError as error:  # what Pillow raises for unknown and for truncated images
        raise DemoFieldError(key, f"of step {step} cannot be decoded ({error})") from error
