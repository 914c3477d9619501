"""The files of a build's split, and the records in them.

A damaged file takes from its place on the episodes of the file with it, and no others: in their places in the list
stands the error that reading them raises.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.rlds.tfrecord import DamagedRecord, RecordPlace, find_records
from rsd_jax.demos.stored_values import text, whole_number


class Record(NamedTuple):
    """An episode's record and the file it lies in."""

    path: Path
    place: RecordPlace


RecordOrError = Record | DemoFileError


def read_shards(folder: Path, info: Mapping[str, Any], split: str) -> Iterator[RecordOrError]:
    """Lists the records of a split, file after file.

    Args:
        folder: of the build's version.
        info: its description, ``dataset_info.json``.
        split: name of the split.

    Raises:
        DemoFieldError: the description does not tell where the split lies.
        DemoFileError: a file holds more records than the description says.
    """
    told = _find_split(info, split)
    file_format = info.get("fileFormat") or "tfrecord"
    if file_format != "tfrecord":
        raise DemoFieldError("fileFormat", f"is {file_format!r}; only 'tfrecord' can be read")
    prefix = f"{text(info, 'name')}-{split}.tfrecord"
    lengths = _lengths(told) or _unknown_lengths(folder, prefix)
    for index, length in enumerate(lengths):
        yield from _read_shard(folder / f"{prefix}-{index:05d}-of-{len(lengths):05d}", length)


def _find_split(info: Mapping[str, Any], split: str) -> Mapping[str, Any]:
    listed = info.get("splits")
    found = listed if isinstance(listed, list) else []
    splits = {str(entry.get("name")): entry for entry in found if isinstance(entry, dict)}
    if split not in splits:
        rule = f"has no {split!r}; found {sorted(splits)}. Choose one: of launch.convert --config.source.split=NAME"
        raise DemoFieldError("splits", rule)
    return splits[split]


def _lengths(split: Mapping[str, Any]) -> list[int | None]:
    """Numbers of records of the files; empty where the description does not tell them."""
    lengths = split.get("shardLengths")
    if lengths is None:
        return []
    if not isinstance(lengths, list):
        raise DemoFieldError("shardLengths", f"is {lengths!r:.80}; expected a list of whole numbers")
    return [
        whole_number({f"shardLengths[{index}]": length}, f"shardLengths[{index}]")
        for index, length in enumerate(lengths)
    ]


def _unknown_lengths(folder: Path, prefix: str) -> list[int | None]:
    """As many as there should be files, by the names of those that are there."""
    names = sorted(path.name for path in folder.glob("*.tfrecord-*"))
    totals = {int(match[1]) for name in names if (match := re.fullmatch(rf"{re.escape(prefix)}-\d+-of-(\d+)", name))}
    if len(totals) != 1:
        rule = f"is missing or empty, and no files tell how many there are by their names; found {names}"
        raise DemoFieldError("shardLengths", rule)
    return [None] * totals.pop()


def _read_shard(path: Path, length: int | None) -> Iterator[RecordOrError]:
    """Records of a file; for each that should be there and is not, the error that tells why."""
    found = 0
    error = None
    if not path.is_file():
        error = DemoFileError(path, ALL_EPISODES, "file", "is missing; the download is not complete")
    else:
        try:
            for place in find_records(path):
                yield Record(path, place)
                found += 1
        except DamagedRecord as damage:
            error = DemoFileError(path, f"record {damage.number}", "content", str(damage))
    if error is None and length is not None and found != length:
        rule = f"{found} are there, dataset_info.json tells {length}: the file is truncated or of another build"
        error = DemoFileError(path, ALL_EPISODES, "records", rule)
        if found > length:
            raise error
    if error is not None:
        yield from [error] * max(1, (length or 0) - found)
