"""The small files of a LeRobot dataset, ``meta/``: episodes, tasks, statistics and a description."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.demos.lerobot.data_files import Place, file_numbers
from rsd_jax.demos.lerobot.episode_parts import EpisodePart
from rsd_jax.demos.lerobot.layout import (
    CHUNK_SIZE,
    DATA_FILE_MB,
    DATA_PATH,
    EPISODES_PATH,
    INFO_FILE,
    LABEL_KEY,
    STATS_FILE,
    TASK_COLUMN,
    TASKS_FILE,
    VIDEO_FILE_MB,
    VIDEO_PATH,
    WRITTEN_FPS,
    WRITTEN_KEYS,
)
from rsd_jax.demos.lerobot.statistics import Statistics, image_statistics, vector_statistics
from rsd_jax.demos.lerobot.videos import describe_video

_ACTION_AXES = ["x", "y", "z", "axis_angle_x", "axis_angle_y", "axis_angle_z", "gripper"]
_VECTORS = {
    WRITTEN_KEYS.state: [*_ACTION_AXES[:6], "finger_left", "finger_right"],
    WRITTEN_KEYS.action: _ACTION_AXES,
    LABEL_KEY: _ACTION_AXES,
}
_SCALARS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}


def write_statistics(
    tables: Sequence[pa.Table], episodes: Sequence[EpisodePart], video_keys: Sequence[str], target: Path
) -> None:
    """Writes the statistics of all steps."""
    names = tables[0].column_names
    statistics = {name: vector_statistics(np.concatenate([_rows(table[name]) for table in tables])) for name in names}
    frames = sum(episode.length for episode in episodes)
    for key in video_keys:
        histograms = np.sum([episode.histograms[key] for episode in episodes], axis=0)
        statistics[key] = image_statistics(histograms, frames)
    _write_json(statistics, target / STATS_FILE)


def write_episodes(
    episodes: Sequence[EpisodePart],
    tables: Sequence[pa.Table],
    places: Sequence[Place],
    video_keys: Sequence[str],
    target: Path,
) -> None:
    """Writes a row for each episode: where it lies, and its statistics."""
    rows = []
    for index, episode in enumerate(episodes):
        first = tables[index]["index"][0].as_py()
        rows.append(
            {
                "episode_index": index,
                "tasks": [episode.instruction],
                "length": episode.length,
                "dataset_from_index": first,
                "dataset_to_index": first + episode.length,
                **places[index],
                **{
                    f"stats/{feature}/{name}": value
                    for feature, values in _episode_statistics(tables[index], episode, video_keys).items()
                    for name, value in values.items()
                },
                "suite": episode.suite,
                "task": episode.task,
                "seed": episode.seed,
                **{f"meta/episodes/{name}": number for name, number in file_numbers(0).items()},
            }
        )
    path = target / EPISODES_PATH.format(**file_numbers(0))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_tasks(tasks: Sequence[str], target: Path) -> None:
    """A table as pandas writes one whose index holds the instructions."""
    column = {"metadata": None, "numpy_type": "int64", "pandas_type": "int64"}
    index = {"metadata": None, "numpy_type": "object", "pandas_type": "unicode"}
    pandas = {
        "index_columns": [TASK_COLUMN],
        "column_indexes": [{"name": None, "field_name": None, **index, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **column},
            {"name": None, "field_name": TASK_COLUMN, **index},
        ],
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), TASK_COLUMN: list(tasks)})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), target / TASKS_FILE)


def write_info(episodes: Sequence[EpisodePart], tasks: Sequence[str], video_keys: Sequence[str], target: Path) -> None:
    """Writes the dataset's description; reads the videos that it tells about."""
    features: dict[str, Any] = {
        key: {
            "dtype": "video",
            "shape": [STORED_SIZE, STORED_SIZE, 3],
            "names": ["height", "width", "channel"],
            "info": describe_video(target / VIDEO_PATH.format(video_key=key, **file_numbers(0))),
        }
        for key in video_keys
    }
    for name, axes in _VECTORS.items():
        features[name] = {"dtype": "float32", "shape": [len(axes)], "names": axes}
    for name, dtype in _SCALARS.items():
        features[name] = {"dtype": dtype, "shape": [1], "names": None}
    info = {
        "codebase_version": "v3.0",
        "robot_type": "panda",
        "total_episodes": len(episodes),
        "total_frames": sum(episode.length for episode in episodes),
        "total_tasks": len(tasks),
        "chunks_size": CHUNK_SIZE,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": WRITTEN_FPS,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if video_keys else None,
        "features": features,
    }
    _write_json(info, target / INFO_FILE)


def _episode_statistics(table: pa.Table, episode: EpisodePart, video_keys: Sequence[str]) -> dict[str, Statistics]:
    vectors = {name: vector_statistics(_rows(table[name])) for name in table.column_names}
    return vectors | {key: image_statistics(episode.histograms[key], episode.length) for key in video_keys}


def _rows(column: pa.ChunkedArray) -> NDArray[np.generic]:
    values = column.combine_chunks()
    if pa.types.is_fixed_size_list(values.type):
        return values.flatten().to_numpy().reshape(len(values), -1)
    return values.to_numpy()


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False), encoding="utf-8")
