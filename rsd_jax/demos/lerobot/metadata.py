"""What ``meta/`` tells about a LeRobot dataset: one description for versions 2.x and 3.0."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.feature_keys import UNDECLARED, FeatureKeys
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.json_files import read_json_lines, read_json_object
from rsd_jax.demos.lerobot.digests import Digests, read_digests
from rsd_jax.demos.lerobot.episode_places import EpisodePlace, Places, read_places_v2, read_places_v3
from rsd_jax.demos.lerobot.feature_keys import IMAGE_TYPES, feature_type, find_keys
from rsd_jax.demos.lerobot.layout import INFO_FILE, TASK_COLUMN, TASKS_FILE
from rsd_jax.demos.lerobot.tables import column_names, read_columns
from rsd_jax.demos.lerobot.video_steps import VideoSpan
from rsd_jax.demos.stored_values import finite_number, mapping, stored_value, whole_number, words

_LOGGER = logging.getLogger(__name__)

_VERSIONS = ("v2.0", "v2.1", "v3.0")
_TASK_LINES = "meta/tasks.jsonl"


class LeRobotMetadata(NamedTuple):
    """Content of a dataset.

    Attributes:
        root: its folder.
        fps: the rate that its timestamps are labelled with.
        keys: names of its features.
        features: name -> description, as in ``meta/info.json``.
        tasks_file: where the instructions are from.
        tasks: index of a task -> what stands there for its instruction.
        episodes: all episodes, by number; where the index is damaged, the error of reading one.
        spans: video file -> the parts that the episodes have of it.
        all_listed: whether no episode is known to lack, so that the frames of a video are those of `episodes`.
        digests: of its files, if it has any.
    """

    root: Path
    fps: float
    keys: FeatureKeys
    features: Mapping[str, Any]
    tasks_file: Path
    tasks: Mapping[int, Any]
    episodes: Places
    spans: Mapping[Path, Sequence[VideoSpan]]
    all_listed: bool
    digests: Digests

    @property
    def has_frames(self) -> bool:
        """Whether there are images."""
        return feature_type(self.features, self.keys.agentview) in IMAGE_TYPES

    def instruction(self, task_index: int, episode: str) -> str:
        """The instruction of a task.

        Raises:
            DemoFileError: what stands there is none.
        """
        try:
            return words(f"task of task_index {task_index}", self.tasks[task_index])
        except DemoFieldError as error:
            raise DemoFileError(self.tasks_file, episode, error.field, error.rule) from error


def read_metadata(root: Path, declared: FeatureKeys = UNDECLARED) -> LeRobotMetadata:
    """Reads ``meta/`` of a dataset.

    Args:
        root: the dataset's folder.
        declared: names of features that are not to be found out.

    Raises:
        DemoFileError: a file is missing or damaged, the version cannot be read, or features have unknown names.
        FileNotFoundError: there is no dataset at `root`.
    """
    root = Path(root)
    path = root / INFO_FILE
    if not path.is_file():
        raise FileNotFoundError(f"no LeRobot dataset at {root}: it has no {INFO_FILE}")
    digests = read_digests(root)
    info = read_json_object(digests.check(path))
    try:
        version = stored_value(info, "codebase_version")
        if version not in _VERSIONS:
            raise DemoFieldError("codebase_version", f"is {version!r}; {', '.join(_VERSIONS)} can be read")
        fps = finite_number(info, "fps")
        if fps <= 0:
            raise DemoFieldError("fps", f"is {fps:g}; expected a rate above 0")
        features = mapping(info, "features")
        keys = find_keys(features, declared)
        video_keys = [key for key in keys[:2] if feature_type(features, key) == "video"]
        if version == "v3.0":
            tasks_file, tasks = root / TASKS_FILE, _read_tasks(digests.check(root / TASKS_FILE))
            episodes = read_places_v3(root, info, video_keys, digests)
        else:
            tasks_file, tasks = root / _TASK_LINES, _read_task_lines(digests.check(root / _TASK_LINES))
            episodes = read_places_v2(root, info, video_keys)
    except DemoFieldError as error:
        raise DemoFileError(path, ALL_EPISODES, error.field, error.rule) from error
    told = _check_total(path, info, episodes)
    places = [place for place in episodes if isinstance(place, EpisodePlace)]
    all_listed = version != "v3.0" or [place.number for place in places] == list(range(max(told, len(episodes))))
    spans = _by_file(places)
    return LeRobotMetadata(root, fps, keys, features, tasks_file, tasks, episodes, spans, all_listed, digests)


def _by_file(places: Sequence[EpisodePlace]) -> dict[Path, list[VideoSpan]]:
    found: dict[Path, list[VideoSpan]] = {}
    for place in places:
        for span in place.videos.values():
            found.setdefault(span.path, []).append(span)
    return found


def _check_total(path: Path, info: Mapping[str, Any], episodes: Sequence[object]) -> int:
    """The number of episodes that the description tells; published ones are not kept up to date."""
    told = info.get("total_episodes")
    if told != len(episodes):
        _LOGGER.warning(
            "%s: total_episodes is %r, but %d are listed: those are read. If it should be more, the download is not "
            "complete",
            path,
            told,
            len(episodes),
        )
    return told if isinstance(told, int) else 0


def _read_task_lines(path: Path) -> dict[int, Any]:
    return _by_index(path, read_json_lines(path), "task")


def _read_tasks(path: Path) -> dict[int, Any]:
    names = column_names(path)
    column = next((name for name in ("task", TASK_COLUMN) if name in names), None)
    if column is None or "task_index" not in names:
        missing = "task_index" if column else "task"
        rule = f"is missing; found {names}. Instructions stand in the column 'task' or {TASK_COLUMN!r}"
        raise DemoFileError(path, ALL_EPISODES, missing, rule)
    return _by_index(path, read_columns(path, ["task_index", column]), column)


def _by_index(path: Path, rows: Sequence[Mapping[str, Any]], name: str) -> dict[int, Any]:
    """Index -> what stands for the instruction; whether it is one is asked for the tasks that episodes have."""
    tasks: dict[int, Any] = {}
    for entry, row in enumerate(rows):
        try:
            index = whole_number(row, "task_index")
        except DemoFieldError as error:
            _LOGGER.warning("%s: task_index of entry %d %s: no episode can have it", path, entry, error.rule)
            continue
        found = row.get(name)
        # Two instructions of one index are none, for nothing tells which is meant.
        tasks[index] = found if tasks.get(index, found) == found else [tasks[index], found]
    return tasks
