"""Demonstrations of a run as training rows, split by episode."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.chunking import chunk_episode, foreseeable_steps
from rsd_jax.demos.demo import ACTION_SIZE, PROPRIO_SIZE, Demo
from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.demos.libero_hdf5 import read_demos, read_instructions
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.run_folder import DEMOS_FOLDER, demo_paths

DEMONSTRATED = ObservationNeeds(STORED_SIZE, ("agentview", "wrist"), PROPRIO_SIZE)
"""What rows of demonstrations show of a step."""


class Split(NamedTuple):
    """Demonstrations for training, and others of the same tasks held out from it."""

    train: list[Demo]
    heldout: list[Demo]


class MissingDemonstrations(FileNotFoundError):
    """A run folder holds no demonstrations."""


def load_split(run_dir: Path, every: int = 5, with_frames: bool = True) -> Split:
    """Reads all demonstrations under ``run_dir/demos`` and holds out every `every`-th episode of each task.

    Raises:
        MissingDemonstrations: there are none; names the command that makes them.
        ValueError: a task has fewer than `every` episodes, so that nothing of it could be held out.
    """
    split = Split([], [])
    for file in demonstration_files(run_dir):
        task = split_file(file, every, with_frames)
        split.train.extend(task.train)
        split.heldout.extend(task.heldout)
    return split


def split_file(file: Path, every: int, with_frames: bool = True, image_size: int = STORED_SIZE) -> Split:
    """The split of the demonstrations of one task, with frames of `image_size` pixels a side; raises as `load_split`.

    Raises:
        DemoFileError: frames are smaller; names the command that renders them anew.
    """
    conventions = replace(AS_LIBERO_STORES, kept_size=image_size)
    demos = [demo.expert_part() for demo in read_demos(file, conventions, with_frames)]
    if len(demos) < every:
        raise ValueError(
            f"{file} holds {len(demos)} episodes; at least {every} are needed, for one in {every} is held out: "
            "collect more of this task"
        )
    is_heldout = [index % every == every - 1 for index in range(len(demos))]
    return Split(
        train=[demo for demo, heldout in zip(demos, is_heldout, strict=True) if not heldout],
        heldout=[demo for demo, heldout in zip(demos, is_heldout, strict=True) if heldout],
    )


def demonstration_files(run_dir: Path) -> list[Path]:
    """The files under ``run_dir/demos``, one a task.

    Raises:
        MissingDemonstrations: there are none; names the command that makes them.
    """
    run_dir = Path(run_dir)
    files = demo_paths(run_dir)
    if not files:
        raise MissingDemonstrations(
            f"no demonstrations in {run_dir / DEMOS_FOLDER}: the stage 'collect' makes them; run "
            f"python -m launch.collect --config configs/demos.py --config.run_dir={run_dir}, or convert others by "
            f"python -m launch.convert --config configs/convert.py --config.target.path={run_dir / DEMOS_FOLDER}"
        )
    return files


def demonstrations_digest(files: Sequence[Path]) -> str:
    """Digest of demonstration files by their names and sizes: what was learned from them, without reading them."""
    lines = [f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def instructions(run_dir: Path) -> list[str]:
    """The instructions of all demonstrations of a run, each once a file; raises as `demonstration_files`."""
    return [instruction for file in demonstration_files(run_dir) for instruction in read_instructions(file)]


class ActionRows(NamedTuple):
    """One row for each step at which a policy could decide.

    Attributes:
        actions: the actions of steps t .. t + C - 1, ``float32 [N, C, A]`` in the dataset's units.
        mask: ``bool [N, C]``, False behind the episode's end.
        foreseeable: ``bool [N, C]``, False behind a disturbance of the chunk's own steps (`foreseeable_steps`).
        episode: index of the row's episode, ``[N]``.
    """

    actions: NDArray[np.float32]
    mask: NDArray[np.bool_]
    foreseeable: NDArray[np.bool_]
    episode: NDArray[np.int64]


def action_rows(
    demos: Sequence[Demo], chunk_length: int, source: Literal["labels", "actions"] = "labels"
) -> ActionRows:
    """Chunks of all episodes, in order: of the expert's clean labels, or of the actions that were executed."""
    steps = [len(demo) for demo in demos]
    rows = ActionRows(
        actions=np.empty((sum(steps), chunk_length, ACTION_SIZE), np.float32),
        mask=np.empty((sum(steps), chunk_length), np.bool_),
        foreseeable=np.empty((sum(steps), chunk_length), np.bool_),
        episode=np.repeat(np.arange(len(demos)), steps),
    )
    for demo, place in zip(demos, _places(demos), strict=True):
        rows.actions[place], rows.mask[place] = chunk_episode(getattr(demo, source), chunk_length)
        rows.foreseeable[place] = foreseeable_steps((demo.actions != demo.labels).any(axis=1), chunk_length)
    return rows


def frames(demos: Sequence[Demo], cameras: Sequence[str] = DEMONSTRATED.cameras) -> NDArray[np.uint8]:
    """Frames of every step, ``uint8 [N, cameras, H, W, 3]``, as stored: one copy.

    Args:
        demos: whose frames are all of one size.
        cameras: names of `DemoFrames`, in the order wanted.

    Raises:
        ValueError: a demonstration was stored without images; names the command that adds them.
    """
    size = demos[0].require_frames().size if demos else STORED_SIZE
    together = np.empty((sum(map(len, demos)), len(cameras), size, size, 3), np.uint8)
    for demo, place in zip(demos, _places(demos), strict=True):
        seen = demo.require_frames()._asdict()
        for number, camera in enumerate(cameras):
            together[place, number] = seen[camera]
    return together


def _places(demos: Sequence[Demo]) -> list[slice]:
    """Where the steps of each of `demos` stand among those of all."""
    ends = np.cumsum([0, *map(len, demos)])
    return [slice(begin, end) for begin, end in pairwise(ends)]


def proprio(demos: Sequence[Demo]) -> NDArray[np.float32]:
    """Proprioception of every step, ``float32 [N, 8]``."""
    return np.concatenate([demo.proprio for demo in demos])
