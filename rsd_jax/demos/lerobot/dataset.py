"""Demonstrations of a LeRobot dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.demo import Demo, DemoFieldError
from rsd_jax.demos.feature_keys import FeatureKeys
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.lerobot.episode_places import EpisodePlace
from rsd_jax.demos.lerobot.episode_rows import EpisodeRows, read_episode_rows
from rsd_jax.demos.lerobot.layout import LABEL_KEY
from rsd_jax.demos.lerobot.metadata import LeRobotMetadata, read_metadata
from rsd_jax.demos.lerobot.video_index import VideoError, read_video_index
from rsd_jax.demos.lerobot.video_steps import find_first_frame
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
        cls,
        path: Path,
        conventions: SourceConventions = UPRIGHT_LIBERO,
        naming: TaskNaming | None = None,
        *,
        agentview_key: str = "",
        wrist_key: str = "",
        state_key: str = "",
        action_key: str = "",
    ) -> "LeRobotDemos":
        """Opens the folder of a dataset, the one that has ``meta/``.

        Args:
            path: the folder.
            conventions: what images and actions mean.
            naming: how episodes get their suite and task.
            agentview_key: name of a feature, where it is none that published datasets use. wrist_key: likewise.
            state_key: likewise. action_key: likewise.

        Raises:
            DemoFileError: a file of ``meta/`` is missing or damaged. An episode that is, is so when it is read.
            FileNotFoundError: `path` is no dataset.
        """
        declared = FeatureKeys(agentview_key, wrist_key, state_key, action_key)
        return cls(conventions, naming or TaskNaming(), read_metadata(path, declared))

    def __len__(self) -> int:
        """Number of demonstrations."""
        return len(self.metadata.episodes)

    def __getitem__(self, index: int) -> Demo:
        """Reads a demonstration, see `DemoDataset`."""
        place = self.metadata.episodes[index]
        if isinstance(place, DemoFileError):
            raise place.with_traceback(None)
        episode = f"episode {place.number}"
        if not place.length:
            raise DemoFileError(place.table, episode, "length", "is 0; a demonstration has at least one step")
        path, rows = read_episode_rows(self.metadata, place)
        try:
            return to_demo(self._find_episode(place, rows), self.conventions)
        except DemoFieldError as error:
            raise DemoFileError.of_field(path, episode, error, self._stored_names()) from error

    def _find_episode(self, place: EpisodePlace, rows: EpisodeRows) -> SourceEpisode:
        keys = self.metadata.keys
        instruction = self._find_instruction(place, rows)
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

    def _find_instruction(self, place: EpisodePlace, rows: EpisodeRows) -> str:
        index = rows.task_index()
        if index not in self.metadata.tasks:
            known = sorted(self.metadata.tasks)
            raise DemoFieldError("task_index", f"is [{index}]; expected one of {known!r:.80} for all steps")
        return self.metadata.instruction(index, f"episode {place.number}")

    def _find_frames(self, key: str, place: EpisodePlace, rows: EpisodeRows) -> NDArray[np.uint8]:
        if key not in place.videos:
            return rows.images(key)
        span, metadata = place.videos[key], self.metadata
        try:
            video = read_video_index(metadata.digests.check(span.path, f"episode {place.number}"))
            spans, times = metadata.spans[span.path], rows.times(metadata.fps)
            first = find_first_frame(video, span, times, metadata.fps, spans, metadata.all_listed)
            return decode_frames(video, first, span.length)
        except VideoError as error:
            raise DemoFieldError(key, str(error)) from error

    def _stored_names(self) -> Mapping[str, str]:
        keys = self.metadata.keys
        names = {"actions": keys.action, "labels": LABEL_KEY, "proprio": keys.state}
        return names | {"agentview": keys.agentview, "wrist": keys.wrist}
