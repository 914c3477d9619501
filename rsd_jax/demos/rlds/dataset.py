"""Demonstrations of an RLDS build."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.demo import Demo, DemoFieldError
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.rlds.build import FeatureType, RldsBuild, open_build
from rsd_jax.demos.rlds.example import Values, parse_example
from rsd_jax.demos.rlds.tfrecord import DamagedRecord, read_record
from rsd_jax.demos.source_conventions import UPRIGHT_LIBERO, SourceConventions, SourceEpisode, to_demo
from rsd_jax.demos.task_names import TaskNaming

_ACTION = "steps/action"
_STATE = "steps/observation/state"
_FRAMES = ("steps/observation/image", "steps/observation/wrist_image")
_INSTRUCTION = "steps/language_instruction"
_FILE_PATH = "episode_metadata/file_path"

_STORED_NAMES: Mapping[str, str] = MappingProxyType(
    {"actions": _ACTION, "labels": _ACTION, "proprio": _STATE, "agentview": _FRAMES[0], "wrist": _FRAMES[1]}
)


@dataclass(frozen=True)
class RldsDemos(DemoDataset):
    """Demonstrations of LIBERO's RLDS builds. They have neither simulator states nor seeds.

    Attributes:
        conventions: what images and actions mean.
        naming: how episodes get their suite and task.
        build: the folder's content.
    """

    conventions: SourceConventions
    naming: TaskNaming
    build: RldsBuild

    @classmethod
    def open(
        cls,
        path: Path,
        conventions: SourceConventions = UPRIGHT_LIBERO,
        naming: TaskNaming | None = None,
        split: str = "train",
    ) -> "RldsDemos":
        """Opens the folder of a build, e.g. ``libero_spatial_no_noops/1.0.0`` or the one above it.

        Raises:
            DemoFileError: a file is missing or damaged.
            FileNotFoundError: `path` is no build.
        """
        return cls(conventions, naming or TaskNaming(), open_build(path, split))

    def __len__(self) -> int:
        """Number of demonstrations."""
        return len(self.build.records)

    def __getitem__(self, index: int) -> Demo:
        """Reads a demonstration, see `DemoDataset`."""
        path, place = self.build.records[index]
        episode = f"episode {index} (record {place.number})"
        try:
            values = _Values(parse_example(read_record(path, place)), self.build.features)
            return to_demo(self._find_episode(values), self.conventions)
        except DamagedRecord as error:
            raise DemoFileError(path, episode, "content", str(error)) from error
        except DemoFieldError as error:
            raise DemoFileError.of_field(path, episode, error, _STORED_NAMES) from error

    def _find_episode(self, values: "_Values") -> SourceEpisode:
        instruction = values.text(_INSTRUCTION)
        source = values.text(_FILE_PATH) if _FILE_PATH in values.types else ""
        file = Path(source.replace("\\", "/"))
        name = self.naming.name(
            instruction,
            task=file.stem.removesuffix("_demo") or None,
            places=[file.parent.name, source, self.build.folder.parent.name],
        )
        return SourceEpisode(
            suite=name.suite,
            task=name.task,
            instruction=instruction,
            actions=values.tensor(_ACTION),
            proprio=values.tensor(_STATE),
            frames=(values.images(_FRAMES[0]), values.images(_FRAMES[1])) if _FRAMES[0] in values.types else None,
        )


@dataclass(frozen=True)
class _Values:
    """The values of an episode, in the shapes that the build declares."""

    found: Mapping[str, Values]
    types: Mapping[str, FeatureType]

    def text(self, name: str) -> str:
        """The first value: instructions are repeated at every step."""
        values = self._of_kind(name, "text")
        if not isinstance(values, list) or not values:
            raise DemoFieldError(name, "holds no text")
        try:
            return values[0].decode("utf-8")
        except UnicodeDecodeError as error:
            raise DemoFieldError(name, f"is not UTF-8 ({error})") from error

    def tensor(self, name: str) -> NDArray[np.floating]:
        values = self._of_kind(name, "tensor")
        shape = self.types[name].shape
        if isinstance(values, list) or values.size % max(1, int(np.prod(shape))):
            size = len(values)
            raise DemoFieldError(name, f"has {size} values, which are no whole steps of the shape {shape}")
        return values.reshape(-1, *shape)

    def images(self, name: str) -> NDArray[np.uint8]:
        values = self._of_kind(name, "image")
        shape = self.types[name].shape
        if not isinstance(values, list) or not values:
            raise DemoFieldError(name, "holds no encoded images")
        return np.stack([_decode(name, step, content, shape) for step, content in enumerate(values)])

    def _of_kind(self, name: str, kind: str) -> Values:
        if name not in self.types:
            raise DemoFieldError(name, f"is missing; features.json has {sorted(self.types)}")
        if self.types[name].kind != kind:
            raise DemoFieldError(name, f"is of the kind {self.types[name].kind!r}; expected {kind!r}")
        if name not in self.found:
            raise DemoFieldError(name, f"is missing; the record has {sorted(self.found)}")
        return self.found[name]


def _decode(name: str, step: int, content: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    try:
        image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.uint8)
    except OSError as error:  # what Pillow raises for unknown and for truncated images
        raise DemoFieldError(name, f"of step {step} cannot be decoded ({error})") from error
    if image.shape != shape:
        raise DemoFieldError(name, f"of step {step} is {image.shape}; features.json tells {shape}")
    return image
