"""The rows of one episode in the tables of a LeRobot dataset."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.encoded_images import decode_image
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.lerobot.episode_places import EpisodePlace
from rsd_jax.demos.lerobot.layout import LABEL_KEY
from rsd_jax.demos.lerobot.metadata import LeRobotMetadata
from rsd_jax.demos.lerobot.tables import cells, count_rows, read_rows

_LOGGER = logging.getLogger(__name__)

_FRAME, _TIME, _TASK = "frame_index", "timestamp", "task_index"


class EpisodeRows:
    """The rows of an episode, by step.

    Raises:
        DemoFieldError: on construction, if the frames' numbers do not put the steps in order.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        if _FRAME not in table.column_names:
            return
        # By frame, for nothing guarantees the order of rows.
        numbers = self.values(_FRAME)
        if not all(isinstance(number, int) for number in numbers) or len(set(numbers)) != len(numbers):
            raise DemoFieldError(_FRAME, f"is {numbers!r:.80}; expected whole numbers, each once")
        self._table = table.sort_by(_FRAME)

    def task_index(self) -> int:
        """The index of the task, the same for all steps. Raises `DemoFieldError` if it is not."""
        indices = self.values(_TASK)
        if any(not isinstance(index, int) or index != indices[0] for index in indices):
            distinct = [index for step, index in enumerate(indices) if index not in indices[:step]]
            raise DemoFieldError(_TASK, f"is {distinct!r:.80}; expected the number of one task for all steps")
        return int(indices[0])

    def times(self, fps: float) -> NDArray[np.float64]:
        """Seconds of the steps from the episode's start, ``float64 [T]``: those told, or else by the rate.

        Raises:
            DemoFieldError: a step has none.
        """
        if _TIME not in self._table.column_names:
            numbers = self.values(_FRAME) if _FRAME in self._table.column_names else range(self._table.num_rows)
            return np.array(numbers, np.float64) / fps
        times = [time[0] if isinstance(time, list) and len(time) == 1 else time for time in self.values(_TIME)]
        for step, time in enumerate(times):
            if not isinstance(time, int | float) or not np.isfinite(time):
                raise DemoFieldError(_TIME, f"of step {step} is {time!r:.80}; expected a number")
        return np.array(times, np.float64)

    def vectors(self, key: str) -> NDArray[np.floating]:
        """A vector for each step, ``float32 [T, D]``. Raises `DemoFieldError` if a row is none."""
        rows = self.values(key)
        if any(not isinstance(row, list) or len(row) != len(rows[0]) for row in rows):
            raise DemoFieldError(key, "holds rows that are no vectors of one length")
        try:
            vectors = np.array(rows, np.float32)
        except (TypeError, ValueError) as error:
            raise DemoFieldError(key, f"holds what is no number ({error})") from error
        if vectors.ndim != 2:
            raise DemoFieldError(key, f"holds rows of the shape {vectors.shape[1:]}; expected vectors")
        return vectors

    def images(self, key: str) -> NDArray[np.uint8]:
        """A decoded image for each step, ``uint8 [T, H, W, 3]``. Raises `DemoFieldError` if one cannot be had."""
        images = [decode_image(key, step, _content(key, step, row)) for step, row in enumerate(self.values(key))]
        for step, image in enumerate(images):
            if image.shape != images[0].shape:
                raise DemoFieldError(key, f"of step {step} is {image.shape}; that of step 0 is {images[0].shape}")
        return np.stack(images)

    def values(self, key: str) -> list[Any]:
        """What stands in a column, by step. Raises `DemoFieldError` if there is no such column."""
        if key not in self._table.column_names:
            raise DemoFieldError(key, f"is missing; found {self._table.column_names}")
        return cells(self._table[key])


def read_episode_rows(metadata: LeRobotMetadata, place: EpisodePlace) -> tuple[Path, EpisodeRows]:
    """Finds the rows of an episode, in another file too where the index names the wrong one; returns file and rows.

    Raises:
        DemoFileError: they are not there, not as many as they should be, or their file is damaged.
    """
    keys = metadata.keys
    images = [key for key in keys[:2] if key not in place.videos] if metadata.has_frames else []
    names = [keys.action, keys.state, LABEL_KEY, _TASK, _FRAME, _TIME, *images]
    episode = f"episode {place.number}"
    path = metadata.digests.check(place.table, episode)
    table = read_rows(path, names, place.number) if path.is_file() else None
    if table is None or not table.num_rows:
        path = _find_elsewhere(metadata, place, episode) or path
        table = read_rows(metadata.digests.check(path, episode), names, place.number)
    if table.num_rows != place.length:
        others = "" if table.num_rows else ", and no other file has them"
        rule = f"has {table.num_rows} rows; the table of episodes tells {place.length}{others}"
        raise DemoFileError(path, episode, "length", rule)
    try:
        return path, EpisodeRows(table)
    except DemoFieldError as error:
        raise DemoFileError(path, episode, error.field, error.rule) from error


def _find_elsewhere(metadata: LeRobotMetadata, place: EpisodePlace, episode: str) -> Path | None:
    paths = sorted((metadata.root / "data").rglob("*.parquet"))
    others = [path for path in paths if path != place.table and place.number in count_rows(path)]
    if len(others) > 1:
        rule = f"has 0 rows; {len(others)} other files have some: {', '.join(map(str, others))}"
        raise DemoFileError(place.table, episode, "length", rule)
    if not others:
        return None
    _LOGGER.warning(
        "%s: %s: its rows are not here, where the index puts them, but in %s", place.table, episode, others[0]
    )
    return others[0]


def _content(key: str, step: int, row: Any) -> bytes:
    content = row.get("bytes") if isinstance(row, dict) else row
    if not isinstance(content, bytes) or not content:
        raise DemoFieldError(key, f"of step {step} holds no encoded image")
    return content
