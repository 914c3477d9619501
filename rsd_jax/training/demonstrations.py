"""Demonstrations of a run as training rows, split by episode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.actions.chunking import chunk_episode
from rsd_jax.demos.demo import Demo
from rsd_jax.demos.libero_hdf5 import read_demos


class Split(NamedTuple):
    """Demonstrations for training, and others of the same tasks held out from it."""

    train: list[Demo]
    heldout: list[Demo]


class MissingDemonstrations(FileNotFoundError):
    """A run folder holds no demonstrations."""


def load_split(run_dir: Path, every: int = 5) -> Split:
    """Reads all demonstrations under ``run_dir/demos`` and holds out every `every`-th episode of each task.

    Raises:
        MissingDemonstrations: there are none; names the command that makes them.
        ValueError: a task has fewer than `every` episodes, so that nothing of it could be held out.
    """
    files = sorted((Path(run_dir) / "demos").glob("*/*_demo.hdf5"))
    if not files:
        raise MissingDemonstrations(
            f"no demonstrations in {Path(run_dir) / 'demos'}: the stage 'collect' makes them; run "
            f"python -m launch.collect --config configs/demos.py --config.run_dir={run_dir}"
        )
    split = Split([], [])
    for file in files:
        demos = read_demos(file)
        if len(demos) < every:
            raise ValueError(
                f"{file} holds {len(demos)} episodes; at least {every} are needed, for one in {every} is held out: "
                "collect more of this task"
            )
        for index, demo in enumerate(demos):
            (split.heldout if index % every == every - 1 else split.train).append(demo)
    return split


class ActionRows(NamedTuple):
    """One row for each step at which a policy could decide.

    Attributes:
        actions: the actions of steps t .. t + C - 1, ``float32 [N, C, A]`` in the dataset's units.
        mask: ``bool [N, C]``, False behind the episode's end.
        episode: index of the row's episode, ``[N]``.
    """

    actions: NDArray[np.float32]
    mask: NDArray[np.bool_]
    episode: NDArray[np.int64]


def action_rows(
    demos: Sequence[Demo], chunk_length: int, source: Literal["labels", "actions"] = "labels"
) -> ActionRows:
    """Chunks of all episodes, in order: of the expert's clean labels, or of the actions that were executed."""
    chunks = [chunk_episode(getattr(demo, source), chunk_length) for demo in demos]
    return ActionRows(
        actions=np.concatenate([chunk.actions for chunk in chunks]),
        mask=np.concatenate([chunk.mask for chunk in chunks]),
        episode=np.repeat(np.arange(len(demos)), [len(demo) for demo in demos]),
    )


def frames(demos: Sequence[Demo]) -> NDArray[np.uint8]:
    """Both cameras' frames of every step, ``uint8 [N, 2, 128, 128, 3]``, agentview first, as stored."""
    views = [np.concatenate([getattr(demo, name) for demo in demos]) for name in ("agentview", "wrist")]
    return np.stack(views, axis=1)


def proprio(demos: Sequence[Demo]) -> NDArray[np.float32]:
    """Proprioception of every step, ``float32 [N, 8]``."""
    return np.concatenate([demo.proprio for demo in demos])
