"""Demonstrations in LIBERO's official HDF5 layout (LIBERO: ``scripts/create_dataset.py``).

```
data                        attributes: env_name, env_args, problem_info, bddl_file_name, bddl_file_content,
│                           macros_image_convention, num_demos, total            (+ suite, task, versions)
└── demo_0, demo_1, ...     attributes: num_samples, model_file, init_state      (+ seed, fixture_poses, noise)
    ├── actions [T, 7]      executed actions                                     (+ expert_actions [T, 7]: labels)
    ├── states [T, S]  robot_states [T, 9]  rewards [T]  dones [T]
    └── obs/  agentview_rgb  eye_in_hand_rgb [T, 128, 128, 3] (upside-down, as rendered)
              ee_states [T, 6]  ee_pos  ee_ori [T, 3]  gripper_states [T, 2]  joint_states [T, 7]
```

What stands in brackets is this project's addition; readers of the official layout ignore it. Official files, which
lack it, are read too. Every file is written under another name and renamed when it is complete.
"""

import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rsd_jax.demos.demo import Demo, DemoFieldError, DemoStart
from rsd_jax.demos.robot_fields import arm_joints, quaternion_of

IMAGE_CONVENTION = "opengl"  # rows run upwards


class DemoFileError(ValueError):
    """A demonstration file is damaged; the message names the file, the episode, the field and the rule it breaks."""

    def __init__(self, path: Path, episode: str, field: str, rule: str) -> None:
        super().__init__(f"{path}: {episode}: {field}: {rule}")


@dataclass(frozen=True)
class SceneDescription:
    """Where demonstrations come from: the file's attributes that tools around LIBERO read.

    Attributes:
        env_name: class of the simulated problem.
        env_args: arguments with which the environment was built; JSON values.
        bddl_file_name: name of the task's definition.
        bddl_file_content: its text.
        versions: package -> version, for provenance.
    """

    env_name: str = ""
    env_args: dict[str, Any] = field(default_factory=dict)
    bddl_file_name: str = ""
    bddl_file_content: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EpisodeDescription:
    """How one demonstration was made.

    Attributes:
        model_file: XML of the compiled scene.
        noise: settings of the noise on the executed actions; JSON values.
    """

    model_file: str = ""
    noise: dict[str, float] = field(default_factory=dict)


def write_episode(path: Path, demo: Demo, scene: SceneDescription, episode: EpisodeDescription) -> None:
    """Writes a file that holds one demonstration; `path` appears only when it is complete.

    Raises:
        OSError: the folder cannot be written, or is full.
    """
    with _complete_or_absent(path) as file:
        group = file.create_group("data/demo_0")
        _write_demo(group, demo, episode)
        _write_header(file["data"], demo, scene, [len(demo)])


def merge(sources: Sequence[Path], path: Path) -> None:
    """Writes the demonstrations of several files of one task, ordered by their seeds, into one file.

    `path` may be among `sources`: it is replaced when the new file is complete. A seed found twice is kept once.

    Raises:
        ValueError: there is no demonstration in `sources`.
        DemoFileError: a source is damaged, or one of its demonstrations carries no seed.
        OSError: the folder cannot be written, or is full.
    """
    source_of = {seed: source for source in sources for seed in read_seeds(source)}
    if not source_of:
        raise ValueError(f"sources hold no demonstration: {[str(source) for source in sources]}")
    total = 0
    with _complete_or_absent(path) as merged:
        data = merged.create_group("data")
        for index, seed in enumerate(sorted(source_of)):
            with _opened(source_of[seed]) as file:
                name = next(n for n in file["data"] if file["data"][n].attrs["seed"] == seed)
                file.copy(file["data"][name], data, name=f"demo_{index}")
                data.attrs.update(file["data"].attrs)
            total += int(data[f"demo_{index}"].attrs["num_samples"])
        data.attrs["num_demos"], data.attrs["total"] = len(source_of), total


def read_demos(path: Path) -> list[Demo]:
    """Reads all demonstrations of a file, in the order of their numbers, which may have gaps.

    Raises:
        DemoFileError: the file is truncated or no HDF5, lacks a field, or a field breaks a rule of `Demo`.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    demos = []
    with _opened(path) as file:
        for name in _episode_names(path, file):
            try:
                demos.append(_read_demo(path, file["data"], name))
            except DemoFieldError as error:
                raise DemoFileError(path, name, _STORED_NAMES.get(error.field, error.field), error.rule) from error
            except OSError as error:
                raise DemoFileError(path, name, "content", f"cannot be read, the file is damaged ({error})") from error
    return demos


def read_seeds(path: Path) -> dict[int, int]:
    """Seed -> number of steps of every demonstration in a file, without reading their content.

    Raises:
        DemoFileError: the file is damaged, or a demonstration carries no seed.
    """
    path = Path(path)
    steps = {}
    with _opened(path) as file:
        for name in _episode_names(path, file):
            attributes = file["data"][name].attrs
            if "seed" not in attributes:
                raise DemoFileError(path, name, "seed", "is missing; this file was not written by collection")
            steps[int(attributes["seed"])] = int(attributes["num_samples"])
    return steps


_STORED_NAMES = {
    "labels": "expert_actions",
    "agentview": "obs/agentview_rgb",
    "wrist": "obs/eye_in_hand_rgb",
    "proprio": "obs/ee_states, obs/gripper_states",
    "start.state": "init_state",
}


def _write_header(data: h5py.Group, demo: Demo, scene: SceneDescription, lengths: list[int]) -> None:
    data.attrs["env_name"] = scene.env_name
    data.attrs["env_args"] = json.dumps(scene.env_args)
    data.attrs["problem_info"] = json.dumps({"language_instruction": demo.instruction})
    data.attrs["bddl_file_name"] = scene.bddl_file_name
    data.attrs["bddl_file_content"] = scene.bddl_file_content
    data.attrs["macros_image_convention"] = IMAGE_CONVENTION
    data.attrs["num_demos"] = len(lengths)
    data.attrs["total"] = sum(lengths)
    data.attrs["suite"] = demo.suite
    data.attrs["task"] = demo.task
    data.attrs["versions"] = json.dumps(scene.versions)


def _write_demo(group: h5py.Group, demo: Demo, episode: EpisodeDescription) -> None:
    group.attrs["num_samples"] = len(demo)
    group.attrs["model_file"] = episode.model_file
    group.attrs["init_state"] = demo.start.state
    group.attrs["seed"] = demo.seed
    group.attrs["fixture_poses"] = json.dumps({name: pose.tolist() for name, pose in demo.start.fixture_poses.items()})
    group.attrs["noise"] = json.dumps(episode.noise)
    position, orientation, fingers = np.split(demo.proprio.astype(np.float64), [3, 6], axis=1)
    last = np.zeros(len(demo), np.uint8)
    last[-1] = 1
    group["actions"] = demo.actions
    group["expert_actions"] = demo.labels
    group["states"] = demo.states
    group["robot_states"] = np.concatenate([fingers, position, quaternion_of(orientation)], axis=1)
    group["rewards"] = last
    group["dones"] = last
    group["obs/ee_states"] = np.concatenate([position, orientation], axis=1)
    group["obs/ee_pos"] = position
    group["obs/ee_ori"] = orientation
    group["obs/gripper_states"] = fingers
    group["obs/joint_states"] = arm_joints(demo.states)
    for name, frames in (("agentview_rgb", demo.agentview), ("eye_in_hand_rgb", demo.wrist)):
        group.create_dataset(
            f"obs/{name}", data=frames, chunks=(1, *frames.shape[1:]), compression="gzip", compression_opts=1
        )


def _read_demo(path: Path, data: h5py.Group, name: str) -> Demo:
    group = data[name]

    def dataset(key: str) -> np.ndarray:
        if key not in group:
            raise DemoFileError(path, name, key, f"is missing; found {sorted(group)}")
        return group[key][()]

    def attribute(holder: h5py.Group, key: str) -> Any:
        if key not in holder.attrs:
            raise DemoFileError(path, name if holder is group else "data", key, "attribute is missing")
        return holder.attrs[key]

    actions = dataset("actions")
    labels = dataset("expert_actions") if "expert_actions" in group else actions
    robot = {"obs/ee_states": 6, "obs/gripper_states": 2}
    for key, width in robot.items():
        if dataset(key).shape != (len(actions), width):
            raise DemoFieldError(key, f"has shape {dataset(key).shape}; expected {(len(actions), width)}")
    proprio = np.concatenate([dataset(key) for key in robot], axis=1)
    poses = json.loads(group.attrs.get("fixture_poses", "{}"))
    return Demo(
        suite=str(data.attrs.get("suite", path.parent.name)),
        task=str(data.attrs.get("task", path.stem.removesuffix("_demo"))),
        instruction=json.loads(attribute(data, "problem_info"))["language_instruction"],
        actions=actions.astype(np.float32),
        labels=labels.astype(np.float32),
        proprio=proprio.astype(np.float32),
        agentview=dataset("obs/agentview_rgb"),
        wrist=dataset("obs/eye_in_hand_rgb"),
        states=dataset("states").astype(np.float64),
        start=DemoStart(
            state=np.asarray(attribute(group, "init_state"), np.float64),
            fixture_poses={fixture: np.asarray(pose, np.float64) for fixture, pose in poses.items()},
        ),
        seed=int(group.attrs.get("seed", -1)),
    )


def _episode_names(path: Path, file: h5py.File) -> list[str]:
    if "data" not in file:
        raise DemoFileError(path, "all episodes", "data", f"group is missing; found {sorted(file)}")
    names = [name for name in file["data"] if name.startswith("demo_") and name.removeprefix("demo_").isdigit()]
    return sorted(names, key=lambda name: int(name.removeprefix("demo_")))


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if not path.exists():
        raise FileNotFoundError(f"no demonstration file at {path}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        rule = f"is truncated or not HDF5 ({error}); delete the file and collect again"
        raise DemoFileError(path, "all episodes", "file", rule) from error
    with file:
        yield file


@contextmanager
def _complete_or_absent(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that appears on disk, whole, when its content is complete, and not at all if anything fails.

    It is assembled in memory: on a full disk HDF5 does not fail, it brings the process down.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        yield file
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as stream:
            stream.write(content.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"demonstrations cannot be written ({error.strerror})", str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)
