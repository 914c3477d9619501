"""The folder that tensorflow-datasets builds: its files, and the types and shapes of its features."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.rlds.tfrecord import DamagedRecord, RecordPlace, find_records

INFO_FILE = "dataset_info.json"
FEATURES_FILE = "features.json"


class FeatureType(NamedTuple):
    """What one value of a feature is: an encoded image, a text, or a tensor; shape without the steps."""

    kind: Literal["image", "text", "tensor"]
    shape: tuple[int, ...]


class Record(NamedTuple):
    """An episode's record and the file it lies in."""

    path: Path
    place: RecordPlace


class RldsBuild(NamedTuple):
    """A build's content.

    Attributes:
        folder: of one version, with `INFO_FILE` in it.
        features: name within an example -> its type.
        records: all episodes of the split, in the order of the files.
    """

    folder: Path
    features: Mapping[str, FeatureType]
    records: tuple[Record, ...]


def open_build(path: Path, split: str = "train") -> RldsBuild:
    """Opens a build: the folder of a version, or the one above, whose latest version is taken.

    Raises:
        DemoFileError: a file is missing or damaged, or holds fewer records than it should.
        FileNotFoundError: `path` is no build.
    """
    folder = _find_version(Path(path))
    info = _read_json(folder / INFO_FILE)
    return RldsBuild(
        folder,
        features=dict(_features(folder / FEATURES_FILE, _read_json(folder / FEATURES_FILE), "")),
        records=tuple(_records(folder, info, split)),
    )


def _find_version(path: Path) -> Path:
    if (path / INFO_FILE).is_file():
        return path
    versions = [file.parent for file in path.glob(f"*/{INFO_FILE}")]
    numbers = {version: version.name.split(".") for version in versions}
    numbered = [version for version in versions if all(part.isdigit() for part in numbers[version])]
    if not numbered:
        raise FileNotFoundError(f"no RLDS build at {path}: neither it nor a version below it has a {INFO_FILE}")
    return max(numbered, key=lambda version: [int(part) for part in numbers[version]])


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise DemoFileError(path, ALL_EPISODES, "file", "is missing; the download is not complete")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DemoFileError(path, ALL_EPISODES, "content", f"is not JSON ({error})") from error


def _features(path: Path, node: Mapping[str, Any], name: str) -> Iterator[tuple[str, FeatureType]]:
    """All leaves below a node of ``features.json``, under the names that examples use."""
    if "featuresDict" in node:
        for key, child in node["featuresDict"]["features"].items():
            yield from _features(path, child, f"{name}/{key}" if name else key)
    elif "sequence" in node:
        yield from _features(path, node["sequence"]["feature"], name)
    elif "text" in node:
        yield name, FeatureType("text", ())
    elif "image" in node:
        yield name, FeatureType("image", _shape(node["image"]))
    elif "tensor" in node and node["tensor"].get("encoding", "none") == "none":
        yield name, FeatureType("tensor", _shape(node["tensor"]))
    else:
        raise DemoFileError(path, ALL_EPISODES, name, f"has a type that cannot be read: {sorted(node)}")


def _shape(node: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in node["shape"].get("dimensions", ()))


def _records(folder: Path, info: Mapping[str, Any], split: str) -> Iterator[Record]:
    path = folder / INFO_FILE
    splits = {found["name"]: found for found in info.get("splits", ())}
    if split not in splits:
        raise DemoFileError(path, ALL_EPISODES, "splits", f"has no {split!r}; found {sorted(splits)}")
    if info.get("fileFormat", "tfrecord") != "tfrecord":
        rule = f"is {info['fileFormat']!r}; only 'tfrecord' can be read"
        raise DemoFileError(path, ALL_EPISODES, "fileFormat", rule)
    lengths = [int(length) for length in splits[split]["shardLengths"]]
    for index, length in enumerate(lengths):
        shard = folder / f"{info['name']}-{split}.tfrecord-{index:05d}-of-{len(lengths):05d}"
        if not shard.is_file():
            raise DemoFileError(shard, ALL_EPISODES, "file", "is missing; the download is not complete")
        try:
            places = list(find_records(shard))
        except DamagedRecord as error:
            raise DemoFileError(shard, f"record {error.number}", "content", str(error)) from error
        if len(places) != length:
            rule = f"{len(places)} are there, {INFO_FILE} tells {length}: the file is truncated or of another build"
            raise DemoFileError(shard, ALL_EPISODES, "records", rule)
        yield from (Record(shard, place) for place in places)
