"""One written episode on its way into a LeRobot dataset."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsd_jax.actions.conventions import upright
from rsd_jax.demos.demo import Demo
from rsd_jax.demos.lerobot.layout import LABEL_KEY, WRITTEN_FPS, WRITTEN_KEYS
from rsd_jax.demos.lerobot.statistics import channel_histograms
from rsd_jax.demos.lerobot.videos import VideoCoding, encode_frames

VIDEO_KEYS = WRITTEN_KEYS[:2]

_TABLE = "vectors.parquet"
_DESCRIPTION = "episode.json"


class EpisodePart(NamedTuple):
    """A written episode.

    Attributes:
        folder: where its table and videos lie.
        suite: of the episode. task: likewise. instruction: likewise. seed: likewise.
        length: number of steps.
        histograms: camera -> how often its frames have each level, ``int64 [3, 256]``; empty without images.
    """

    folder: Path
    suite: str
    task: str
    instruction: str
    seed: int
    length: int
    histograms: dict[str, NDArray[np.int64]]

    def table(self) -> pa.Table:
        """The episode's vectors, a row a step."""
        return pq.read_table(self.folder / _TABLE)

    def video(self, key: str) -> Path:
        """The video of a camera."""
        return video_path(self.folder, key)


def video_path(folder: Path, key: str) -> Path:
    """Where a part has the video of a camera."""
    return folder / f"{key}.mp4"


def write_part(folder: Path, demo: Demo, coding: VideoCoding) -> None:
    """Writes one episode: vectors, two videos if it has frames, and what describes it."""
    vectors = {WRITTEN_KEYS.state: demo.proprio, WRITTEN_KEYS.action: demo.actions, LABEL_KEY: demo.labels}
    pq.write_table(pa.table({key: _fixed_size(rows) for key, rows in vectors.items()}), folder / _TABLE)
    histograms = {}
    if demo.has_frames:
        for key, frames in zip(VIDEO_KEYS, demo.require_frames(), strict=True):
            encode_frames(video_path(folder, key), upright(frames), WRITTEN_FPS, coding)
            histograms[key] = channel_histograms(frames).tolist()
    description = {
        "suite": demo.suite,
        "task": demo.task,
        "instruction": demo.instruction,
        "seed": demo.seed,
        "length": len(demo),
        "histograms": histograms,
    }
    (folder / _DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")


def read_part(folder: Path) -> EpisodePart:
    """Finds what `write_part` wrote."""
    description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    histograms = {key: np.array(levels, np.int64) for key, levels in description.pop("histograms").items()}
    return EpisodePart(folder, **description, histograms=histograms)


def _fixed_size(rows: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), pa.float32()), rows.shape[1])
