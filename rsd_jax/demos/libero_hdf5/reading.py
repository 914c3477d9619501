"""Reading demonstrations from LIBERO's HDF5 layout and its variants."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from rsd_jax.demos.demo import Demo, DemoFieldError, DemoStart, check_text
from rsd_jax.demos.file_errors import ALL_EPISODES, DemoFileError
from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.demos.libero_hdf5.files import episode_names, naming_damage, opened
from rsd_jax.demos.libero_hdf5.layout import FRAME_KEYS, IMAGE_CONVENTION
from rsd_jax.demos.libero_hdf5.stored_episode import StoredEpisode
from rsd_jax.demos.robot_fields import axis_angle_of
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES, SourceConventions, SourceEpisode, to_demo
from rsd_jax.demos.task_names import suite_in
from rsd_jax.file_names import file_name

_ORIENTATION_OF = {IMAGE_CONVENTION: "as_rendered", "opencv": "upright"}

_Told = TypeVar("_Told")


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


def lacks_frames(path: Path, size: int = STORED_SIZE) -> bool:
    """Whether a demonstration of a file has no frames of `size` pixels a side or more, without reading its content.

    Raises:
        DemoFileError: the file is damaged.
    """
    path = Path(path)
    with opened(path) as file, naming_damage(path):
        groups = [file["data"][name] for name in episode_names(path, file)]
        return any(key not in group or group[key].shape[1] < size for group in groups for key in FRAME_KEYS)


def read_definition(path: Path) -> str:
    """The task's definition (BDDL) that a file tells its demonstrations were made by; empty where it tells none.

    Raises:
        DemoFileError: the file is damaged.
    """
    path = Path(path)
    with opened(path) as file, naming_damage(path):
        return str(file["data"].attrs.get("bddl_file_content", ""))


def read_instructions(path: Path) -> list[str]:
    """The instructions of a file's demonstrations, each once, in their order, without reading their content.

    Raises:
        DemoFileError: the file is damaged.
    """
    return list(dict.fromkeys(of_each_episode(path, lambda episode: episode.instruction)))


def read_seeds(path: Path) -> dict[int, int]:
    """Seed -> number of steps of every demonstration in a file, without reading their content.

    Raises:
        DemoFileError: the file is damaged, or a demonstration carries no seed.
    """
    return dict(
        of_each_episode(path, lambda episode: (_require_seed(episode), int(episode.group.attrs["num_samples"])))
    )


def read_styles(path: Path) -> dict[int, dict[str, Any]]:
    """Seed -> how the demonstration was done, of every demonstration in a file, without reading their content.

    What stands there is `EpisodeDescription.style`; empty where the file does not tell it.

    Raises:
        DemoFileError: the file is damaged, or a demonstration carries no seed.
    """
    return _read_by_seed(path, "style")


def read_layouts(path: Path) -> dict[int, dict[str, Any]]:
    """Seed -> in which layout the scene was, as `read_styles`: `EpisodeDescription.layout`, empty for the task's own.

    Raises:
        DemoFileError: the file is damaged, or a demonstration carries no seed.
    """
    return _read_by_seed(path, "layout")


class DemoOrigin(NamedTuple):
    """What a demonstration began from: its seed, None where none is told, and whether in a layout of its own."""

    seed: int | None
    is_in_layout: bool


def read_origins(path: Path) -> list[DemoOrigin]:
    """The origin of every demonstration in a file, in their order, without reading their content.

    Raises:
        DemoFileError: the file is damaged.
    """
    return of_each_episode(path, _origin)


def _origin(episode: StoredEpisode) -> DemoOrigin:
    seed = episode.group.attrs.get("seed")
    return DemoOrigin(None if seed is None else int(seed), bool(episode.json("layout")))


def _read_by_seed(path: Path, key: str) -> dict[int, dict[str, Any]]:
    return dict(of_each_episode(path, lambda episode: (_require_seed(episode), episode.json(key))))


def of_each_episode(path: Path, read: Callable[[StoredEpisode], _Told]) -> list[_Told]:
    """What `read` tells of every demonstration in a file, in their order.

    Raises:
        DemoFileError: the file is damaged, or `read` finds that a demonstration is, which the message names.
    """
    path = Path(path)
    found = []
    with opened(path) as file:
        for name in episode_names(path, file):
            with naming_damage(path, name):
                found.append(read(StoredEpisode(path, file["data"], name)))
    return found


def _require_seed(episode: StoredEpisode) -> int:
    if "seed" not in episode.group.attrs:
        raise DemoFieldError("seed", "is missing; this file was not written by collection")
    return int(episode.group.attrs["seed"])


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
    # What is too large for float32 becomes infinite, and is refused as that.
    with naming_damage(path, name), np.errstate(over="ignore"):
        episode = _find_episode(StoredEpisode(path, file["data"], name), conventions, suite, with_frames)
        return to_demo(episode, conventions)


def _find_episode(
    episode: StoredEpisode, conventions: SourceConventions, declared: str | None, with_frames: bool
) -> SourceEpisode:
    suite, instruction = _suite(episode, declared), episode.instruction
    actions = episode.array("actions")
    frames = None
    if with_frames and any(episode.has(key) for key in FRAME_KEYS):
        _require_orientation(episode, conventions)
        frames = (episode.array(FRAME_KEYS[0]), episode.array(FRAME_KEYS[1]))
    return SourceEpisode(
        suite=suite,
        task=episode.task,
        instruction=instruction,
        actions=actions,
        labels=episode.array("expert_actions") if episode.has("expert_actions") else None,
        proprio=_find_proprio(episode, len(actions)),
        frames=frames,
        states=episode.array("states") if episode.has("states") else None,
        start=_find_start(episode, suite, instruction),
        seed=int(episode.group.attrs.get("seed", -1)),
        expert_from=int(episode.group.attrs.get("expert_from", 0)),
    )


def _suite(episode: StoredEpisode, declared: str | None) -> str:
    """Name of the suite: the demonstration's own, or the file's, or the declared one, or the folder's."""
    own = episode.meta.get("suite", episode.text("suite"))
    folder = episode.path.absolute().parent.name
    return check_text("suite", own or declared or suite_in(folder) or folder)


def _find_proprio(episode: StoredEpisode, steps: int) -> NDArray[np.floating]:
    """From the observations, or from ``robot_states``, whichever the file has."""
    if not episode.has("obs/ee_states") and episode.has("robot_states"):
        fingers, position, quaternion = np.split(episode.rows("robot_states", steps, 9), [2, 5], axis=1)
        return np.concatenate([position, axis_angle_of(quaternion), fingers], axis=1)
    pose, fingers = episode.rows("obs/ee_states", steps, 6), episode.rows("obs/gripper_states", steps, 2)
    return np.concatenate([pose, fingers], axis=1)


def _find_start(episode: StoredEpisode, suite: str, instruction: str) -> DemoStart | None:
    attributes = episode.group.attrs
    if "init_state" in attributes:
        poses = episode.json("fixture_poses")
        return DemoStart(
            state=np.asarray(attributes["init_state"], np.float64),
            fixture_poses={fixture: np.asarray(pose, np.float64) for fixture, pose in poses.items()},
            looks=episode.json("looks") or None,
        )
    folders = (episode.path.parent, episode.path.parent.parent)
    for folder in folders if file_name(suite) == suite else ():  # no other name is one of such a file
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
    except ValueError as error:  # of JSON, or of UTF-8
        raise DemoFileError(path, ALL_EPISODES, "content", f"is not JSON ({error})") from error


def _require_orientation(episode: StoredEpisode, conventions: SourceConventions) -> None:
    """A file that says how its images lie must agree with what was declared."""
    stored = episode.text("macros_image_convention") or ""
    orientation = _ORIENTATION_OF.get(stored, conventions.image_orientation)
    if orientation != conventions.image_orientation:
        raise DemoFileError(
            episode.path,
            ALL_EPISODES,
            "macros_image_convention",
            f"is {stored!r}, which contradicts image_orientation={conventions.image_orientation!r}; "
            f"declare {orientation!r}",
        )
