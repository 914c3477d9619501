"""Demonstrations of an RLDS build."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsd_jax.demos.dataset import DemoDataset
from rsd_jax.demos.demo import Demo, DemoFieldError
from rsd_jax.demos.encoded_images import decode_image
from rsd_jax.demos.feature_keys import FeatureKeys
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.rlds.build import FeatureType, RldsBuild, open_build
from rsd_jax.demos.rlds.example import Values, parse_example
from rsd_jax.demos.rlds.feature_names import INSTRUCTION, find_names
from rsd_jax.demos.rlds.tfrecord import DamagedRecord, read_record
from rsd_jax.demos.source_conventions import UPRIGHT_LIBERO, SourceConventions, SourceEpisode, to_demo
from rsd_jax.demos.stored_values import words
from rsd_jax.demos.task_names import TaskNaming

_FILE_PATH = "episode_metadata/file_path"


@dataclass(frozen=True)
class RldsDemos(DemoDataset):
    """Demonstrations of LIBERO's RLDS builds. They have neither simulator states nor seeds.

    Attributes:
        conventions: what images and actions mean.
        naming: how episodes get their suite and task.
        build: the folder's content.
        names: of its features.
    """

    conventions: SourceConventions
    naming: TaskNaming
    build: RldsBuild
    names: FeatureKeys

    @classmethod
    def open(
        cls,
        path: Path,
        conventions: SourceConventions = UPRIGHT_LIBERO,
        naming: TaskNaming | None = None,
        *,
        split: str = "train",
        agentview_key: str = "",
        wrist_key: str = "",
        state_key: str = "",
        action_key: str = "",
    ) -> "RldsDemos":
        """Opens the folder of a build, e.g. ``libero_spatial_no_noops/1.0.0`` or the one above it.

        Args:
            path: the folder.
            conventions: what images and actions mean.
            naming: how episodes get their suite and task.
            split: which of the build's splits.
            agentview_key: name of a feature, where it is none of LIBERO's builds. wrist_key: likewise.
            state_key: likewise. action_key: likewise.

        Raises:
            DemoFileError: a file is missing or damaged. An episode that is, is so when it is read.
            FileNotFoundError: `path` is no build.
        """
        build = open_build(path, split)
        names = find_names(build, FeatureKeys(agentview_key, wrist_key, state_key, action_key))
        return cls(conventions, naming or TaskNaming(), build, names)

    def __len__(self) -> int:
        """Number of demonstrations."""
        return len(self.build.records)

    def __getitem__(self, index: int) -> Demo:
        """Reads a demonstration, see `DemoDataset`."""
        record = self.build.records[index]
        if isinstance(record, DemoFileError):
            raise record.with_traceback(None)
        path, place = record
        episode = f"episode {index} (record {place.number})"
        try:
            values = _Values(parse_example(read_record(path, place)), self.build.features)
            return to_demo(self._find_episode(values), self.conventions)
        except DamagedRecord as error:
            raise DemoFileError(path, episode, "content", str(error)) from error
        except DemoFieldError as error:
            raise DemoFileError.of_field(path, episode, error, self._stored_names()) from error

    def _find_episode(self, values: "_Values") -> SourceEpisode:
        instruction = values.text(INSTRUCTION)
        source = values.text_or_empty(_FILE_PATH)
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
            actions=values.tensor(self.names.action),
            proprio=values.tensor(self.names.state),
            frames=(
                (values.images(self.names.agentview), values.images(self.names.wrist))
                if self.names.agentview in values.types
                else None
            ),
        )

    def _stored_names(self) -> Mapping[str, str]:
        names = self.names
        vectors = {"actions": names.action, "labels": names.action, "proprio": names.state}
        return vectors | {"agentview": names.agentview, "wrist": names.wrist}


@dataclass(frozen=True)
class _Values:
    """The values of an episode, in the shapes that the build declares."""

    found: Mapping[str, Values]
    types: Mapping[str, FeatureType]

    def text(self, name: str) -> str:
        """The instruction, which is repeated at every step."""
        values = self._of_kind(name, "text")
        if not isinstance(values, list) or not values:
            raise DemoFieldError(name, "holds no text")
        if others := sorted(set(values) - {values[0]}):
            raise DemoFieldError(name, f"is {values[0]!r:.80} and {others[0]!r:.80}; one is expected for all steps")
        return words(name, self._decode(name, values[0]))

    def text_or_empty(self, name: str) -> str:
        """The first value of a text that need not be there."""
        values = self.found.get(name)
        if name not in self.types or self.types[name].kind != "text" or not isinstance(values, list) or not values:
            return ""
        return self._decode(name, values[0])

    def _decode(self, name: str, content: bytes) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DemoFieldError(name, f"is not UTF-8 ({error})") from error

    def tensor(self, name: str) -> NDArray[np.floating]:
        values = self._of_kind(name, "tensor")
        shape = self.types[name].shape
        if isinstance(values, list) or min(shape, default=1) < 1 or values.size % int(np.prod(shape)):
            size = len(values)
            raise DemoFieldError(name, f"has {size} values, which are no whole steps of the shape {shape}")
        return values.reshape(-1, *shape)

    def images(self, name: str) -> NDArray[np.uint8]:
        values = self._of_kind(name, "image")
        shape = self.types[name].shape
        if not isinstance(values, list) or not values:
            raise DemoFieldError(name, "holds no encoded images")
        images = [decode_image(name, step, content) for step, content in enumerate(values)]
        for step, image in enumerate(images):
            if image.shape != images[0].shape or not _fits(image.shape, shape):
                rule = f"of step {step} is {image.shape}; features.json tells {shape}, step 0 is {images[0].shape}"
                raise DemoFieldError(name, rule)
        return np.stack(images)

    def _of_kind(self, name: str, kind: str) -> Values:
        if name not in self.types:
            raise DemoFieldError(name, f"is missing; features.json has {sorted(self.types)}")
        if self.types[name].kind != kind:
            raise DemoFieldError(name, f"is of the kind {self.types[name].kind!r}; expected {kind!r}")
        if name not in self.found:
            raise DemoFieldError(name, f"is missing; the record has {sorted(self.found)}")
        return self.found[name]


def _fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    """Whether a shape is the declared one, in which a negative size may be any."""
    return len(shape) == len(declared) and all(
        size == wanted or wanted < 0 for size, wanted in zip(shape, declared, strict=True)
    )
