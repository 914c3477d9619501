"""The folder that tensorflow-datasets builds: its files, and the types and shapes of its features."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.json_files import read_json_object
from rsd_jax.demos.rlds.shards import RecordOrError, read_shards

INFO_FILE = "dataset_info.json"
FEATURES_FILE = "features.json"


class FeatureType(NamedTuple):
    """What one value of a feature is.

    Attributes:
        kind: an encoded image, a text, a tensor, or something that cannot be read.
        shape: without the steps; -1 for a size that may be any.
        stored_as: what ``features.json`` calls it.
    """

    kind: Literal["image", "text", "tensor", "unknown"]
    shape: tuple[int, ...]
    stored_as: tuple[str, ...] = ()


class RldsBuild(NamedTuple):
    """A build's content.

    Attributes:
        folder: of one version, with `INFO_FILE` in it.
        features: name within an example -> its type; those that are not needed may be of unknown ones.
        records: all episodes of the split, in the order of the files; the error of reading one that is damaged.
    """

    folder: Path
    features: Mapping[str, FeatureType]
    records: tuple[RecordOrError, ...]

    def require(self, name: str) -> None:
        """Checks that a feature is of a type that can be read. Raises `DemoFileError` if it is not."""
        feature = self.features.get(name)
        if feature is not None and feature.kind == "unknown":
            rule = f"has a type that cannot be read: {list(feature.stored_as)}"
            raise DemoFileError(self.folder / FEATURES_FILE, ALL_EPISODES, name, rule)


def open_build(path: Path, split: str = "train") -> RldsBuild:
    """Opens a build: the folder of a version, or the one above, whose latest version is taken.

    Raises:
        DemoFileError: a file is missing or damaged. A shard that is, is so when one of its episodes is read.
        FileNotFoundError: `path` is no build.
    """
    folder = _find_version(Path(path))
    info = read_json_object(folder / INFO_FILE)
    features = dict(_features(read_json_object(folder / FEATURES_FILE), ""))
    try:
        return RldsBuild(folder, features, tuple(read_shards(folder, info, split)))
    except DemoFieldError as error:
        raise DemoFileError(folder / INFO_FILE, ALL_EPISODES, error.field, error.rule) from error


def _find_version(path: Path) -> Path:
    if (path / INFO_FILE).is_file():
        return path
    versions = [file.parent for file in path.glob(f"*/{INFO_FILE}")]
    numbers = {version: version.name.split(".") for version in versions}
    numbered = [version for version in versions if all(part.isdigit() for part in numbers[version])]
    if not numbered:
        raise FileNotFoundError(f"no RLDS build at {path}: neither it nor a version below it has a {INFO_FILE}")
    return max(numbered, key=lambda version: [int(part) for part in numbers[version]])


def _features(node: Any, name: str) -> Iterator[tuple[str, FeatureType]]:
    """All leaves below a node of ``features.json``, under the names that examples use."""
    if isinstance(children := _inside(node, "featuresDict", "features"), dict):
        for key, child in children.items():
            yield from _features(child, f"{name}/{key}" if name else key)
    elif isinstance(child := _inside(node, "sequence", "feature"), dict):
        yield from _features(child, name)
    else:
        yield name, _leaf(node)


def _leaf(node: Any) -> FeatureType:
    if isinstance(_inside(node, "text"), dict):
        return FeatureType("text", ())
    for kind in ("image", "tensor"):
        found = _inside(node, kind)
        shape = _shape(found)
        if shape is not None and (kind == "image" or found.get("encoding", "none") == "none"):
            return FeatureType(kind, shape, (kind,))
    return FeatureType("unknown", (), tuple(sorted(node)) if isinstance(node, dict) else (repr(node),))


def _inside(node: Any, *names: str) -> Any:
    """What stands below the names; None where nothing does."""
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node


def _shape(node: Any) -> tuple[int, ...] | None:
    """Sizes, written as texts; a scalar's are left out. None where there is no shape."""
    sizes = _inside(node, "shape", "dimensions") or []
    if not isinstance(_inside(node, "shape"), dict) or not isinstance(sizes, list):
        return None
    if not all(str(size).removeprefix("-").isdecimal() for size in sizes):
        return None
    return tuple(map(int, sizes))
