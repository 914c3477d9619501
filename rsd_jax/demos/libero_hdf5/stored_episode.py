"""The group of one demonstration in an opened file, its fields checked for type as they are read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_jax.demos.demo import DemoFieldError, check_text
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.libero_hdf5.layout import EPISODE_META, INSTRUCTION_KEY
from rsd_jax.demos.task_names import instruction_of

_DEFLATE_LIMIT = 1032
"""Bytes that a byte of a compressed file can at most become."""


class StoredEpisode(NamedTuple):
    """Where an episode lies, and what is in it.

    Every method raises `DemoFieldError` for a field that is not what it should be, and `DemoFileError` for one of the
    whole file.

    Attributes:
        path: the file. data: the group of all its demonstrations. name: of this one in it.
    """

    path: Path
    data: h5py.Group
    name: str

    @property
    def group(self) -> h5py.Group:
        """The demonstration's own group."""
        found = self.data[self.name]
        if not isinstance(found, h5py.Group):
            raise DemoFieldError(self.name, "is no group of a demonstration")
        return found

    def has(self, key: str) -> bool:
        """Whether the demonstration has a field."""
        return key in self.group

    def array(self, key: str) -> NDArray[Any]:
        """The numbers of a field."""
        if not self.has(key):
            raise DemoFieldError(key, f"is missing; found {sorted(self.group)}")
        found = self.group[key]
        if not isinstance(found, h5py.Dataset):
            raise DemoFieldError(key, "is a group; expected numbers")
        if found.dtype.kind not in "biuf":
            raise DemoFieldError(key, f"is of the type {found.dtype}; expected numbers")
        size = self.path.stat().st_size
        if found.nbytes > size * _DEFLATE_LIMIT:
            raise DemoFieldError(key, f"tells a shape of {found.shape}, which a file of {size} bytes cannot hold")
        return found[()]

    def rows(self, key: str, steps: int, width: int) -> NDArray[np.floating]:
        """The numbers of a field, ``[steps, width]``."""
        found = self.array(key)
        if found.shape != (steps, width):
            raise DemoFieldError(key, f"has shape {found.shape}; expected {(steps, width)}")
        return found

    def text(self, key: str) -> str | None:
        """An attribute of the file that is text; None if it has none of that name."""
        value = self.data.attrs.get(key)
        text = value.decode("utf-8") if isinstance(value, bytes) else value
        if not isinstance(text, str | None):
            raise self._of_file(key, f"attribute is a {type(text).__name__}; expected text")
        return text

    def json(self, key: str) -> dict[str, Any]:
        """An attribute of the demonstration that is a JSON object; empty if it has none of that name."""
        return _json_object(key, self.group.attrs.get(key, "{}"))

    @property
    def meta(self) -> dict[str, Any]:
        """What is told of this demonstration alone, see `EPISODE_META`."""
        return self.json(EPISODE_META)

    @property
    def task(self) -> str:
        """Name of the task: its own, or the file's, or what the file is called."""
        own = self.meta.get("task", self.text("task"))
        return self.path.stem.removesuffix("_demo") if own is None else check_text("task", own)

    @property
    def instruction(self) -> str:
        """The demonstration's own instruction, or the file's, or in a file without attributes the task's words."""
        meta = self.meta
        if INSTRUCTION_KEY in meta:
            return check_text(f"{EPISODE_META}: {INSTRUCTION_KEY}", meta[INSTRUCTION_KEY])
        if "problem_info" not in self.data.attrs:
            return instruction_of(self.task)
        try:
            problem = _json_object("problem_info", self.data.attrs["problem_info"])
            return check_text("problem_info: language_instruction", problem.get("language_instruction"))
        except DemoFieldError as error:
            raise self._of_file(error.field, error.rule) from error

    def keep_instruction(self, instruction: str) -> None:
        """Writes the demonstration's own instruction, if the file that it is in now tells another one."""
        if self.instruction != instruction:
            self.write_meta({INSTRUCTION_KEY: instruction})

    def write_meta(self, names: Mapping[str, str]) -> None:
        """Writes what is told of this demonstration alone; as JSON, which unlike HDF5's text holds any character."""
        self.group.attrs[EPISODE_META] = json.dumps({**self.meta, **names})

    def _of_file(self, field: str, rule: str) -> DemoFileError:
        return DemoFileError(self.path, ALL_EPISODES, field, rule)


def _json_object(key: str, text: object) -> dict[str, Any]:
    if not isinstance(text, (str, bytes)):
        raise DemoFieldError(key, f"attribute is a {type(text).__name__}; expected JSON text")
    try:
        content = json.loads(text)
    except ValueError as error:  # of JSON, or of UTF-8
        raise DemoFieldError(key, f"attribute is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise DemoFieldError(key, f"attribute is a {type(content).__name__}; expected a JSON object")
    return content
