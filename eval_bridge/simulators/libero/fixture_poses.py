"""Fixture poses of the evaluation episodes, computed once and kept as data.

An initial state of LIBERO does not hold the poses of fixtures; each reset draws them anew. In OpenVLA-OFT's
evaluation, which published numbers come from, episode k of a task has those of the (k+1)-th hard reset after one
``env.seed(0)``, with nothing else drawing from NumPy's global generator.

One JSON file holds a suite: task -> fixture -> pose, seven coordinates, each of them a number if it is the same in all
episodes and a list of `EVALUATION_EPISODES` numbers otherwise. In place of its fixtures a task may have the text
"SUITE/TASK", another one whose poses are the same to the last bit: variants of LIBERO-PRO that only change words have
no poses of their own. `compute_fixture_poses` makes these files.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.suites import EVALUATION_EPISODES, get_suite

DATA = Path(__file__).parent / "data"
"""The folder of the files."""


class FixturePosesMissing(FileNotFoundError):
    """No data for a task; the message names the command that makes it."""

    def __init__(self, suite: str, path: Path) -> None:
        """Names the suite and the file."""
        super().__init__(
            f"The fixture poses of {suite}'s evaluation episodes are not in {path}. Compute them (physics only, about "
            f"a minute): python -m eval_bridge.simulators.libero.compute_fixture_poses {suite}"
        )


class TaskName(NamedTuple):
    """A task of a suite."""

    suite: str
    task: str

    def __str__(self) -> str:
        return f"{self.suite}/{self.task}"


def data_file(suite: str) -> Path:
    """Where the poses of a suite are kept."""
    return DATA / f"fixture_poses_{suite}.json"


def stored_task(suite: str, task: int | str) -> TaskName:
    """The task under whose name the poses of `task` are stored: itself, or another one that has the same poses.

    Raises:
        UnknownName: no such suite or task.
        FixturePosesMissing: there is no data for the suite, or not for this task.
    """
    name = get_suite(suite).task_name(task)
    entry = _entry(suite, name)
    if not isinstance(entry, str):
        return TaskName(suite, name)
    return TaskName(*entry.split("/"))


def load_fixture_poses(suite: str, task: int | str) -> list[dict[str, NDArray[np.float64]]]:
    """Fixture poses of every evaluation episode of a task: fixture -> position and quaternion (w first), ``[7]``.

    Raises:
        UnknownName: no such suite or task.
        FixturePosesMissing: there is no data for the suite, or not for this task.
        ValueError: the data are damaged.
    """
    source = stored_task(suite, task)
    entry = _entry(*source)
    if not isinstance(entry, dict):
        raise ValueError(f"{data_file(source.suite)}: {source.task} must have poses of its own; {suite} refers to it.")
    poses = {fixture: _by_episode(source, fixture, columns) for fixture, columns in entry.items()}
    return [{fixture: pose[episode] for fixture, pose in poses.items()} for episode in range(EVALUATION_EPISODES)]


def _entry(suite: str, task: str) -> Any:
    path = data_file(suite)
    tasks = json.loads(path.read_text()) if path.exists() else {}
    if task not in tasks:
        raise FixturePosesMissing(suite, path)
    return tasks[task]


def _by_episode(source: TaskName, fixture: str, columns: list[float | list[float]]) -> NDArray[np.float64]:
    """Poses ``[EVALUATION_EPISODES, 7]`` of a fixture."""
    lengths = {len(column) for column in columns if isinstance(column, list)}
    if len(columns) != 7 or not lengths <= {EVALUATION_EPISODES}:
        raise ValueError(
            f"{data_file(source.suite)}: {fixture} of {source.task} has {len(columns)} coordinates for {lengths} "
            f"episodes; expected 7 for {EVALUATION_EPISODES}. Restore the file."
        )
    poses = np.empty((EVALUATION_EPISODES, 7))
    for index, column in enumerate(columns):
        poses[:, index] = column
    return poses
