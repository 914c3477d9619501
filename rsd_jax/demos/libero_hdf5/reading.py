"""Reading demonstrations from LIBERO's HDF5 layout and its variants."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_jax.demos.demo import Demo, DemoFieldError, DemoStart
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.libero_hdf5.files import episode_names, opened
from rsd_jax.demos.libero_hdf5.layout import FRAME_KEYS, IMAGE_CONVENTION, STORED_NAMES
from rsd_jax.demos.robot_fields import axis_angle_of
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES, SourceConventions, SourceEpisode, to_demo
from rsd_jax.demos.task_names import instruction_of, suite_in

_ORIENTATION_OF = {IMAGE_CONVENTION: "as_rendered", "opencv": "upright"}


def read_demos(path: Path, conventions: SourceConventions = AS_LIBERO_STORES, with_frames: bool = True) -> list[Demo]:
    """Reads all demonstrations of a file, in the order of their numbers, which may have gaps.

    Without frames it takes a hundredth of the time.

    Raises:
        DemoFileError: the file is truncated or no HDF5, lacks a field, or a field breaks a rule of `Demo`.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    with opened(path) as file:
        names = episode_names(path, file)
        return [read_episode(path, file, name, conventions, with_frames=with_frames) for name in names]


def lacks_frames(path: Path) -> bool:
    """Whether a demonstration of a file has no frames, without reading its content.

    Raises:
        DemoFileError: the file is damaged.
    """
    path = Path(path)
    with opened(path) as file:
        return any(key not in file["data"][name] for name in episode_names(path, file) for key in FRAME_KEYS)


def read_instruction(path: Path) -> str:
    """The instruction of a file's demonstrations, without reading their content.

    Raises:
        DemoFileError: the file is damaged.
    """
    path = Path(path)
    with opened(path) as file:
        return _instruction(_Episode(path, file["data"], ALL_EPISODES))


def read_seeds(path: Path) -> dict[int, int]:
    """Seed -> number of steps of every demonstration in a file, without reading their content.

    Raises:
        DemoFileError: the file is damaged, or a demonstration carries no seed.
    """
    path = Path(path)
    steps = {}
    with opened(path) as file:
        for name in episode_names(path, file):
            attributes = file["data"][name].attrs
            if "seed" not in attributes:
                raise DemoFileError(path, name, "seed", "is missing; this file was not written by collection")
            steps[int(attributes["seed"])] = int(attributes["num_samples"])
    return steps


def read_episode(
    path: Path,
    file: h5py.File,
    name: str,
    conventions: SourceConventions,
    suite: str | None = None,
    with_frames: bool = True,
) -> Demo:
    """Reads the demonstration `name` of an opened file; `suite` names the suite where the file does not.

    Raises:
        DemoFileError: it lacks a field, or a field breaks a rule of `Demo`.
    """
    try:
        episode = _find_episode(_Episode(path, file["data"], name), conventions, suite, with_frames)
        return to_demo(episode, conventions)
    except DemoFieldError as error:
        raise DemoFileError.of_field(path, name, error, STORED_NAMES) from error
    except OSError as error:
        raise DemoFileError(path, name, "content", f"cannot be read, the file is damaged ({error})") from error


class _Episode(NamedTuple):
    """Where an episode lies, and what is in it."""

    path: Path
    data: h5py.Group
    name: str

    @property
    def group(self) -> h5py.Group:
        return self.data[self.name]

    def has(self, key: str) -> bool:
        return key in self.group

    def array(self, key: str) -> NDArray[Any]:
        found = self.group.get(key)
        if not isinstance(found, h5py.Dataset):
            raise DemoFieldError(key, f"is missing; found {sorted(self.group)}")
        return found[()]

    def rows(self, key: str, steps: int, width: int) -> NDArray[np.floating]:
        found = self.array(key)
        if found.shape != (steps, width):
            raise DemoFieldError(key, f"has shape {found.shape}; expected {(steps, width)}")
        return found

    def json(self, holder: h5py.Group, key: str, default: str) -> Any:
        try:
            return json.loads(holder.attrs.get(key, default))
        except json.JSONDecodeError as error:
            episode = self.name if holder is not self.data else ALL_EPISODES
            raise DemoFileError(self.path, episode, key, f"attribute is not JSON ({error})") from error


def _find_episode(
    episode: _Episode, conventions: SourceConventions, declared: str | None, with_frames: bool
) -> SourceEpisode:
    path, data, group = episode.path, episode.data, episode.group
    folder = path.parent.name
    suite = str(data.attrs.get("suite", declared or suite_in(folder) or folder))
    instruction = _instruction(episode)
    actions = episode.array("actions")
    frames = None
    if with_frames and any(episode.has(key) for key in FRAME_KEYS):
        _require_orientation(episode, conventions)
        frames = (episode.array(FRAME_KEYS[0]), episode.array(FRAME_KEYS[1]))
    return SourceEpisode(
        suite=suite,
        task=_task(episode),
        instruction=instruction,
        actions=actions,
        labels=episode.array("expert_actions") if episode.has("expert_actions") else None,
        proprio=_find_proprio(episode, len(actions)),
        frames=frames,
        states=episode.array("states") if episode.has("states") else None,
        start=_find_start(episode, suite, instruction),
        seed=int(group.attrs.get("seed", -1)),
    )


def _task(episode: _Episode) -> str:
    return str(episode.data.attrs.get("task", episode.path.stem.removesuffix("_demo")))


def _instruction(episode: _Episode) -> str:
    problem = episode.json(episode.data, "problem_info", "{}")
    return str(problem.get("language_instruction", instruction_of(_task(episode))))


def _find_proprio(episode: _Episode, steps: int) -> NDArray[np.floating]:
    """From the observations, or from ``robot_states``, whichever the file has."""
    if not episode.has("obs/ee_states") and episode.has("robot_states"):
        fingers, position, quaternion = np.split(episode.rows("robot_states", steps, 9), [2, 5], axis=1)
        return np.concatenate([position, axis_angle_of(quaternion), fingers], axis=1)
    pose, fingers = episode.rows("obs/ee_states", steps, 6), episode.rows("obs/gripper_states", steps, 2)
    return np.concatenate([pose, fingers], axis=1)


def _find_start(episode: _Episode, suite: str, instruction: str) -> DemoStart | None:
    attributes = episode.group.attrs
    if "init_state" in attributes:
        poses = episode.json(episode.group, "fixture_poses", "{}")
        return DemoStart(
            state=np.asarray(attributes["init_state"], np.float64),
            fixture_poses={fixture: np.asarray(pose, np.float64) for fixture, pose in poses.items()},
        )
    for folder in (episode.path.parent, episode.path.parent.parent):
        path = folder / f"{suite}_metainfo.json"
        if path.is_file():
            task = _read_metainfo(path).get(instruction.replace(" ", "_"), {})
            if state := task.get(episode.name, {}).get("initial_state"):
                return DemoStart(np.asarray(state, np.float64), {})
    return None


@lru_cache(maxsize=4)
def _read_metainfo(path: Path) -> Mapping[str, Any]:
    """Task -> demonstration -> its initial state, as OpenVLA's regeneration without no-ops records them."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DemoFileError(path, ALL_EPISODES, "content", f"is not JSON ({error})") from error


def _require_orientation(episode: _Episode, conventions: SourceConventions) -> None:
    """A file that says how its images lie must agree with what was declared."""
    stored = str(episode.data.attrs.get("macros_image_convention", ""))
    orientation = _ORIENTATION_OF.get(stored, conventions.image_orientation)
    if orientation != conventions.image_orientation:
        raise DemoFileError(
            episode.path,
            ALL_EPISODES,
            "macros_image_convention",
            f"is {stored!r}, which contradicts image_orientation={conventions.image_orientation!r}; "
            f"declare {orientation!r}",
        )
