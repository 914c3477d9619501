"""Writing LeRobot datasets of version 3.0."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsd_jax.demos.demo import Demo
from rsd_jax.demos.lerobot.data_files import join_episode_videos, number_rows, write_tables
from rsd_jax.demos.lerobot.digests import write_digests
from rsd_jax.demos.lerobot.episode_parts import VIDEO_KEYS, read_part, write_part
from rsd_jax.demos.lerobot.meta_files import write_episodes, write_info, write_statistics, write_tasks
from rsd_jax.demos.lerobot.metadata import read_metadata
from rsd_jax.demos.lerobot.videos import VideoCoding


@dataclass(frozen=True)
class LeRobotWriter:
    """Writes version 3.0 of the format, see `rsd_jax.demos.writer.DemoWriter`.

    Actions are those executed, clean labels a column of their own. States and start of the simulator are left out.

    Attributes:
        coding: how frames are encoded.
    """

    coding: VideoCoding = field(default_factory=VideoCoding)

    def write_part(self, folder: Path, demo: Demo) -> None:
        """Writes one episode: a table of vectors, two videos if it has frames, and what describes it."""
        write_part(folder, demo, self.coding)

    def assemble(self, parts: Sequence[Path], target: Path) -> None:
        """Joins the episodes: tables and videos of many episodes a file, ``meta/``, and the digests of all."""
        episodes = [read_part(part) for part in parts]
        with_frames = {bool(episode.histograms) for episode in episodes}
        if len(with_frames) != 1:
            raise ValueError(
                "a LeRobot dataset has images in all episodes or in none; launch.render adds those missing"
            )
        video_keys = VIDEO_KEYS if with_frames == {True} else ()
        tasks = list(dict.fromkeys(episode.instruction for episode in episodes))
        tables = number_rows(episodes, tasks)
        places = write_tables(tables, target)
        for key in video_keys:
            for place, video in zip(places, join_episode_videos(episodes, key, target), strict=True):
                place.update(video)
        write_episodes(episodes, tables, places, video_keys, target)
        write_tasks(tasks, target)
        write_statistics(tables, episodes, video_keys, target)
        write_info(episodes, tasks, video_keys, target)
        write_digests(target)

    def count(self, target: Path) -> int:
        """Number of episodes that the metadata of `target` tells of."""
        return len(read_metadata(target).episodes)
