"""Where each episode of a LeRobot dataset lies: one description for the indices of versions 2.x and 3.0.

An episode whose entry in the index is damaged keeps its place in the list: as the error that reading it raises.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.json_files import read_json_lines
from rsd_jax.demos.lerobot.digests import Digests
from rsd_jax.demos.lerobot.tables import column_names, read_columns
from rsd_jax.demos.lerobot.video_steps import VideoSpan
from rsd_jax.demos.stored_values import finite_number, text, whole_number

_OWN = ("suite", "task", "seed")


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


Places = tuple[EpisodePlace | DemoFileError, ...]
"""All episodes by number, and behind them those whose number is not known."""


def read_places_v2(root: Path, info: Mapping[str, Any], video_keys: Sequence[str]) -> Places:
    """Reads ``meta/episodes.jsonl``, of datasets with files of their own for every episode.

    Raises:
        DemoFileError: the file is missing or damaged.
        DemoFieldError: `info` does not tell where files lie.
    """
    path = root / "meta/episodes.jsonl"
    chunk = whole_number(info, "chunks_size", least=1)
    example = {"episode_chunk": 0, "episode_index": 0}
    data_path, video_path = _patterns(info, video_keys, example)

    def place(row: Mapping[str, Any]) -> EpisodePlace:
        index, length = whole_number(row, "episode_index"), whole_number(row, "length")
        numbers = {"episode_chunk": index // chunk, "episode_index": index}
        videos = {
            key: VideoSpan(root / video_path.format(video_key=key, **numbers), index, 0.0, None, length)
            for key in video_keys
        }
        return EpisodePlace(index, length, root / data_path.format(**numbers), videos)

    return _in_order([(path, row) for row in read_json_lines(path)], place)


def read_places_v3(root: Path, info: Mapping[str, Any], video_keys: Sequence[str], digests: Digests) -> Places:
    """Reads ``meta/episodes/``, of datasets with many episodes a file.

    Raises:
        DemoFileError: a file is missing or damaged, or lacks a column.
        DemoFieldError: `info` does not tell where files lie.
    """
    data_path, video_path = _patterns(info, video_keys, {"chunk_index": 0, "file_index": 0})
    paths = sorted((root / "meta/episodes").glob("*/*.parquet"))
    if not paths:
        raise DemoFileError(root / "meta/episodes", ALL_EPISODES, "file", "is missing; the download is not complete")
    videos_columns = [
        f"videos/{key}/{name}" for key in video_keys for name in ("chunk_index", "file_index", "from_timestamp")
    ]
    needed = ["episode_index", "length", "data/chunk_index", "data/file_index", *videos_columns]
    others = [*_OWN, *(f"videos/{key}/to_timestamp" for key in video_keys)]
    rows: list[tuple[Path, Mapping[str, Any]]] = []
    for path in paths:
        found = column_names(digests.check(path))
        if missing := [name for name in needed if name not in found]:
            raise DemoFileError(path, ALL_EPISODES, missing[0], f"is missing; found {_without_statistics(found)}")
        rows.extend((path, row) for row in read_columns(path, [*needed, *others]))

    def place(row: Mapping[str, Any]) -> EpisodePlace:
        number, length = whole_number(row, "episode_index"), whole_number(row, "length")
        videos = {}
        for key in video_keys:
            file = root / video_path.format(video_key=key, **_file_numbers(row, f"videos/{key}"))
            videos[key] = VideoSpan(file, number, *_span(row, f"videos/{key}"), length)
        table = root / data_path.format(**_file_numbers(row, "data"))
        suite, task, seed = (row.get(name) for name in _OWN)
        return EpisodePlace(
            number,
            length,
            table,
            videos,
            suite=suite if isinstance(suite, str) else "",
            task=task if isinstance(task, str) else "",
            seed=seed if isinstance(seed, int) else -1,
        )

    return _in_order(rows, place)


def _patterns(info: Mapping[str, Any], video_keys: Sequence[str], example: Mapping[str, int]) -> tuple[str, str]:
    """The patterns of the files' names, tried on an example. Without videos none of theirs is needed."""
    patterns = []
    for name, names in (("data_path", example), ("video_path", {"video_key": "KEY", **example})):
        pattern = text(info, name) if name == "data_path" or video_keys else ""
        try:
            pattern.format(**names)
        except (LookupError, ValueError, AttributeError) as error:
            rule = f"is {pattern!r}; expected a pattern of {', '.join(names)} ({error!r})"
            raise DemoFieldError(name, rule) from error
        patterns.append(pattern)
    return patterns[0], patterns[1]


def _file_numbers(row: Mapping[str, Any], folder: str) -> dict[str, int]:
    return {name: whole_number(row, f"{folder}/{name}") for name in ("chunk_index", "file_index")}


def _span(row: Mapping[str, Any], folder: str) -> tuple[float, float | None]:
    """Start and end; an end that is not told is none."""
    end = f"{folder}/to_timestamp"
    return finite_number(row, f"{folder}/from_timestamp"), None if row.get(end) is None else finite_number(row, end)


def _in_order(
    rows: Sequence[tuple[Path, Mapping[str, Any]]], place: Callable[[Mapping[str, Any]], EpisodePlace]
) -> Places:
    """The places of all rows; the error of its row where one cannot be told."""
    numbered: dict[int, list[EpisodePlace | DemoFileError]] = {}
    unnumbered: list[DemoFileError] = []
    for entry, (path, row) in enumerate(rows):
        try:
            number = whole_number(row, "episode_index")
        except DemoFieldError as error:
            name = f"entry {entry} of the index"
            unnumbered.append(DemoFileError(path, name, error.field, error.rule))
            continue
        try:
            found: EpisodePlace | DemoFileError = place(row)
        except DemoFieldError as error:
            found = DemoFileError(path, f"episode {number}", error.field, error.rule)
        numbered.setdefault(number, []).append(found)
    for number, entries in numbered.items():
        if len(entries) > 1:
            rule = f"is that of {len(entries)} episodes; each has a number of its own"
            numbered[number] = [DemoFileError(rows[0][0], f"episode {number}", "episode_index", rule)] * len(entries)
    return (*(entry for number in sorted(numbered) for entry in numbered[number]), *unnumbered)


def _without_statistics(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.startswith("stats/")]
