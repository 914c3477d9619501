"""Where the episodes of a LeRobot dataset lie: one description for versions 2.x and 3.0."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.lerobot.layout import INFO_FILE, KNOWN_KEYS, TASK_COLUMN, TASKS_FILE, FeatureKeys

_VERSIONS = ("v2.0", "v2.1", "v3.0")


class VideoSpan(NamedTuple):
    """A part of a video file, from `start` seconds on."""

    path: Path
    start: float


class EpisodePlace(NamedTuple):
    """Where an episode lies.

    Attributes:
        number: of the episode; the rows of its table carry it.
        length: number of steps.
        table: file with its rows, among those of other episodes.
        videos: feature -> its part of a video; empty where images stand in the table.
        suite: of the episode; empty unless this project wrote the dataset. task: likewise. seed: likewise, or -1.
    """

    number: int
    length: int
    table: Path
    videos: Mapping[str, VideoSpan]
    suite: str = ""
    task: str = ""
    seed: int = -1


class LeRobotMetadata(NamedTuple):
    """Content of a dataset.

    Attributes:
        root: its folder.
        fps: the rate that its timestamps are labelled with.
        keys: names of its features.
        features: name -> description, as in ``meta/info.json``.
        instructions: index of a task -> its instruction.
        episodes: all episodes, by number.
    """

    root: Path
    fps: float
    keys: FeatureKeys
    features: Mapping[str, Mapping[str, Any]]
    instructions: Mapping[int, str]
    episodes: tuple[EpisodePlace, ...]

    @property
    def has_frames(self) -> bool:
        """Whether there are images."""
        return self.keys.agentview in self.features


def read_metadata(root: Path) -> LeRobotMetadata:
    """Reads ``meta/`` of a dataset.

    Raises:
        DemoFileError: a file is missing or damaged, the version cannot be read, or features have unknown names.
        FileNotFoundError: there is no dataset at `root`.
    """
    root = Path(root)
    path = root / INFO_FILE
    if not path.is_file():
        raise FileNotFoundError(f"no LeRobot dataset at {root}: it has no {INFO_FILE}")
    info = _read_json(path)
    try:
        version, features, fps = info["codebase_version"], info["features"], float(info["fps"])
        if version not in _VERSIONS:
            rule = f"is {version!r}; {', '.join(_VERSIONS)} can be read"
            raise DemoFileError(path, ALL_EPISODES, "codebase_version", rule)
        keys = _find_keys(path, features)
        video_keys = [key for key in keys[:2] if features.get(key, {}).get("dtype") == "video"]
        read = _read_v3 if version == "v3.0" else _read_v2
        instructions, episodes = read(root, info, video_keys)
        found, told = len(episodes), int(info["total_episodes"])
    except KeyError as error:
        raise DemoFileError(
            path, ALL_EPISODES, str(error.args[0]), "is missing, here or in a file beside it"
        ) from error
    if found != told:
        rule = f"is {told}; {found} are listed: the download is not complete"
        raise DemoFileError(path, ALL_EPISODES, "total_episodes", rule)
    return LeRobotMetadata(root, fps, keys, features, instructions, tuple(episodes))


def _find_keys(path: Path, features: Mapping[str, Any]) -> FeatureKeys:
    images = {name for name, feature in features.items() if feature["dtype"] in ("video", "image")}
    for keys in KNOWN_KEYS:
        cameras = {keys.agentview, keys.wrist}
        if {keys.state, keys.action} <= set(features) and (cameras <= images or not images):
            return keys
    known = "; ".join(", ".join(keys) for keys in KNOWN_KEYS)
    raise DemoFileError(path, ALL_EPISODES, "features", f"are {sorted(features)}; known are {known}")


def _read_v2(
    root: Path, info: Mapping[str, Any], video_keys: Sequence[str]
) -> tuple[dict[int, str], list[EpisodePlace]]:
    tasks = _read_json_lines(root / "meta/tasks.jsonl")
    episodes = []
    for row in _read_json_lines(root / "meta/episodes.jsonl"):
        index = int(row["episode_index"])
        numbers = {"episode_chunk": index // int(info["chunks_size"]), "episode_index": index}
        videos = {
            key: VideoSpan(root / info["video_path"].format(video_key=key, **numbers), 0.0) for key in video_keys
        }
        episodes.append(EpisodePlace(index, int(row["length"]), root / info["data_path"].format(**numbers), videos))
    return {int(row["task_index"]): str(row["task"]) for row in tasks}, episodes


def _read_v3(
    root: Path, info: Mapping[str, Any], video_keys: Sequence[str]
) -> tuple[dict[int, str], list[EpisodePlace]]:
    tasks = read_table(root / TASKS_FILE).to_pylist()
    instructions = {int(row["task_index"]): str(row.get("task", row.get(TASK_COLUMN))) for row in tasks}
    paths = sorted((root / "meta/episodes").glob("*/*.parquet"))
    if not paths:
        raise DemoFileError(root / "meta/episodes", ALL_EPISODES, "file", "is missing; the download is not complete")
    episodes = []
    for path in paths:
        columns = [name for name in read_schema(path).names if not name.startswith("stats/")]
        for row in read_table(path, columns).to_pylist():
            videos = {}
            for key in video_keys:
                numbers = {
                    "chunk_index": row[f"videos/{key}/chunk_index"],
                    "file_index": row[f"videos/{key}/file_index"],
                }
                file = root / info["video_path"].format(video_key=key, **numbers)
                videos[key] = VideoSpan(file, float(row[f"videos/{key}/from_timestamp"]))
            numbers = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
            episodes.append(
                EpisodePlace(
                    number=int(row["episode_index"]),
                    length=int(row["length"]),
                    table=root / info["data_path"].format(**numbers),
                    videos=videos,
                    suite=row.get("suite", ""),
                    task=row.get("task", ""),
                    seed=row.get("seed", -1),
                )
            )
    return instructions, sorted(episodes, key=lambda episode: episode.number)


def read_table(path: Path, columns: Sequence[str] | None = None, episode: int | None = None) -> pa.Table:
    """Reads a table, or the rows of one episode of it.

    Raises:
        DemoFileError: the file is missing or damaged.
    """
    filters = None if episode is None else [("episode_index", "==", episode)]
    name = ALL_EPISODES if episode is None else f"episode {episode}"
    try:
        return pq.read_table(path, columns=columns, filters=filters, partitioning=None)
    except FileNotFoundError as error:
        raise DemoFileError(path, name, "file", "is missing; the download is not complete") from error
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise DemoFileError(path, name, "file", f"is truncated or no parquet file ({error})") from error


def read_schema(path: Path) -> pa.Schema:
    """Names and types of a table's columns. Raises `DemoFileError` if the file is damaged."""
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DemoFileError(path, ALL_EPISODES, "file", f"is truncated or no parquet file ({error})") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DemoFileError(path, ALL_EPISODES, "content", f"is not JSON ({error})") from error


def _read_json_lines(path: Path) -> list[Mapping[str, Any]]:
    if not path.is_file():
        raise DemoFileError(path, ALL_EPISODES, "file", "is missing; the download is not complete")
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DemoFileError(path, ALL_EPISODES, "content", f"is not JSON ({error})") from error
