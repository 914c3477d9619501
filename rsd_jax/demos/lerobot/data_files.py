"""The large files of a LeRobot dataset: tables and videos that hold many episodes each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rsd_jax.demos.lerobot.episode_parts import EpisodePart
from rsd_jax.demos.lerobot.layout import CHUNK_SIZE, DATA_FILE_MB, DATA_PATH, VIDEO_FILE_MB, VIDEO_PATH, WRITTEN_FPS
from rsd_jax.demos.lerobot.videos import join_videos

Place = dict[str, Any]
"""Columns of the table of episodes that tell where one lies."""


def number_rows(episodes: Sequence[EpisodePart], tasks: Sequence[str]) -> list[pa.Table]:
    """The table of each episode, with the columns that count."""
    tables, done = [], 0
    for index, episode in enumerate(episodes):
        steps = np.arange(episode.length)
        table = episode.table()
        columns = {
            "timestamp": (steps / WRITTEN_FPS).astype(np.float32),
            "frame_index": steps,
            "episode_index": np.full_like(steps, index),
            "index": steps + done,
            "task_index": np.full_like(steps, tasks.index(episode.instruction)),
        }
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values))
        tables.append(table)
        done += episode.length
    return tables


def write_tables(tables: Sequence[pa.Table], target: Path) -> list[Place]:
    """Writes the rows, a group for each episode; returns where each one lies."""
    places = []
    for file, indices in enumerate(_fill_files([table.nbytes for table in tables], DATA_FILE_MB)):
        numbers = file_numbers(file)
        path = target / DATA_PATH.format(**numbers)
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, tables[0].schema) as writer:
            for index in indices:
                writer.write_table(tables[index])
                places.append({f"data/{name}": number for name, number in numbers.items()})
    return places


def join_episode_videos(episodes: Sequence[EpisodePart], key: str, target: Path) -> list[Place]:
    """Joins the videos of a camera; returns where the frames of each episode lie."""
    places = []
    sources = [episode.video(key) for episode in episodes]
    for file, indices in enumerate(_fill_files([source.stat().st_size for source in sources], VIDEO_FILE_MB)):
        numbers = file_numbers(file)
        path = target / VIDEO_PATH.format(video_key=key, **numbers)
        path.parent.mkdir(parents=True, exist_ok=True)
        lengths = [episodes[index].length for index in indices]
        join_videos([sources[index] for index in indices], lengths, path, WRITTEN_FPS)
        ends = np.cumsum(lengths)
        for length, end in zip(lengths, ends.tolist(), strict=True):
            span = {"from_timestamp": (end - length) / WRITTEN_FPS, "to_timestamp": end / WRITTEN_FPS}
            places.append({f"videos/{key}/{name}": value for name, value in (numbers | span).items()})
    return places


def _fill_files(sizes: Sequence[int], limit_mb: int) -> list[list[int]]:
    """Indices of the episodes of each file: in order, up to the limit, at least one."""
    files: list[list[int]] = []
    room = 0
    for index, size in enumerate(sizes):
        if not files or size > room:
            files.append([])
            room = limit_mb * 2**20
        files[-1].append(index)
        room -= size
    return files


def file_numbers(file: int) -> dict[str, int]:
    """Folder and number of a dataset's file, as `layout`'s patterns ask for them."""
    return {"chunk_index": file // CHUNK_SIZE, "file_index": file % CHUNK_SIZE}
