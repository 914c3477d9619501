"""Writing one demonstration in LIBERO's HDF5 layout."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rsd_jax.demos.demo import Demo, DemoFrames
from rsd_jax.demos.libero_hdf5.files import complete_or_absent
from rsd_jax.demos.libero_hdf5.layout import FRAME_KEYS, IMAGE_CONVENTION
from rsd_jax.demos.libero_hdf5.stored_episode import StoredEpisode
from rsd_jax.demos.robot_fields import arm_joints, quaternion_of


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
        style: which of the ways to do the episode was chosen, and what came of it; JSON values.
        layout: in which layout of the scene, if not the task's own; JSON values.
    """

    model_file: str = ""
    noise: dict[str, float] = field(default_factory=dict)
    style: dict[str, Any] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)


def write_episode(path: Path, demo: Demo, scene: SceneDescription, episode: EpisodeDescription) -> None:
    """Writes a file that holds one demonstration; `path` appears only when it is complete.

    Raises:
        OSError: the folder cannot be written, or is full.
    """
    with complete_or_absent(path) as file:
        group = file.create_group("data/demo_0")
        _write_demo(group, demo, episode)
        _write_header(file["data"], demo, scene)
        if "\0" in demo.suite + demo.task:
            StoredEpisode(path, file["data"], "demo_0").write_meta({"suite": demo.suite, "task": demo.task})


def _write_header(data: h5py.Group, demo: Demo, scene: SceneDescription) -> None:
    data.attrs["env_name"] = scene.env_name
    data.attrs["env_args"] = json.dumps(scene.env_args)
    data.attrs["problem_info"] = json.dumps({"language_instruction": demo.instruction})
    data.attrs["bddl_file_name"] = scene.bddl_file_name
    data.attrs["bddl_file_content"] = scene.bddl_file_content
    data.attrs["macros_image_convention"] = IMAGE_CONVENTION
    data.attrs["num_demos"] = 1
    data.attrs["total"] = len(demo)
    data.attrs["suite"] = _without_nul(demo.suite)
    data.attrs["task"] = _without_nul(demo.task)
    data.attrs["versions"] = json.dumps(scene.versions)


def _write_demo(group: h5py.Group, demo: Demo, episode: EpisodeDescription) -> None:
    group.attrs["num_samples"] = len(demo)
    group.attrs["model_file"] = episode.model_file
    group.attrs["seed"] = demo.seed
    if demo.expert_from:
        group.attrs["expert_from"] = demo.expert_from
    if demo.start is not None:
        poses = {name: pose.tolist() for name, pose in demo.start.fixture_poses.items()}
        group.attrs["init_state"] = demo.start.state
        group.attrs["fixture_poses"] = json.dumps(poses)
        if demo.start.looks:
            group.attrs["looks"] = json.dumps(demo.start.looks)
    group.attrs["noise"] = json.dumps(episode.noise)
    group.attrs["style"] = json.dumps(episode.style)
    if episode.layout:
        group.attrs["layout"] = json.dumps(episode.layout)
    position, orientation, fingers = np.split(demo.proprio.astype(np.float64), [3, 6], axis=1)
    last = np.zeros(len(demo), np.uint8)
    last[-1] = 1
    arrays = {
        "actions": demo.actions,
        "expert_actions": demo.labels,
        "robot_states": np.concatenate([fingers, position, quaternion_of(orientation)], axis=1),
        "rewards": last,
        "dones": last,
        "obs/ee_states": np.concatenate([position, orientation], axis=1),
        "obs/ee_pos": position,
        "obs/ee_ori": orientation,
        "obs/gripper_states": fingers,
    }
    if demo.states is not None:
        arrays |= {"states": demo.states, "obs/joint_states": arm_joints(demo.states)}
    for key, array in arrays.items():
        group.create_dataset(key, data=array, chunks=array.shape, fletcher32=True)
    if demo.has_frames:
        write_frames(group, demo.require_frames())


def write_frames(group: h5py.Group, frames: DemoFrames) -> None:
    """Adds the frames of both cameras to the group of a demonstration, each frame compressed on its own."""
    filters = {"compression": "gzip", "compression_opts": 1, "fletcher32": True}
    for key, view in zip(FRAME_KEYS, frames, strict=True):
        group.create_dataset(key, data=view, chunks=(1, *view.shape[1:]), **filters)


def _without_nul(name: str) -> str:
    """As HDF5's text can hold it; the name itself then stands with the demonstration."""
    return name.replace("\0", " ")
