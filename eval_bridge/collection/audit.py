"""How close demonstrations start to the states that policies are evaluated on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.simulators.libero.evaluation_states import evaluation_starts
from eval_bridge.simulators.libero.start_distance import NearestPair, nearest_pair, nearest_pair_within, positions_of
from eval_bridge.simulators.libero.suites import get_suite
from rsd_jax.atomic_files import write_atomically
from rsd_jax.demos.libero_hdf5.dataset import Hdf5Demos
from rsd_jax.file_digests import file_digest
from rsd_jax.run_folder import suite_demo_paths, task_of

COINCIDENCE = 1e-6
"""Metres and radians below which two starts count as the same: files may hold single precision."""


class TaskAudit(NamedTuple):
    """What the audit of one demonstration file found.

    Attributes:
        task: name of the task.
        sha256: digest of the file.
        demos: number of demonstrations.
        seed: of the demonstration that comes closest; -1 if the file does not tell it.
        closest: that demonstration's index, and an evaluation state's.
        closest_evaluation_states: the nearest two evaluation states.
    """

    task: str
    sha256: str
    demos: int
    seed: int
    closest: NearestPair
    closest_evaluation_states: NearestPair

    @property
    def is_clean(self) -> bool:
        """Whether no demonstration starts in an evaluation state."""
        return max(self.closest.objects, self.closest.arm) > COINCIDENCE

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        scale = self.closest_evaluation_states
        return {
            "sha256": self.sha256,
            "demos": self.demos,
            "smallest_distance": {
                "objects_m": self.closest.objects,
                "arm_rad": self.closest.arm,
                "demo": self.closest.first,
                "seed": self.seed,
                "evaluation_state": self.closest.second,
            },
            "among_evaluation_states": {"objects_m": scale.objects, "arm_rad": scale.arm},
            "is_clean": self.is_clean,
        }


def audit_suite(suite: str, folder: Path) -> Iterator[TaskAudit]:
    """Audits the demonstration files of a suite, in the order of its tasks.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a file is damaged, does not tell its starts, or belongs to no task of the suite.
    """
    files = {get_suite(suite).task_index(task_of(path)): path for path in suite_demo_paths(folder)}
    if not files:
        raise FileNotFoundError(f"{folder} holds no demonstrations (*_demo.hdf5).")
    for _, path in sorted(files.items()):
        yield audit_file(suite, path)


def audit_file(suite: str, path: Path) -> TaskAudit:
    """Compares the starts in one file with the evaluation states of its task.

    Raises:
        ValueError: the file is damaged, does not tell its starts, or holds states of another scene.
    """
    starts, seeds = [], []
    for demo in Hdf5Demos.open(path):
        starts.append(demo.require_simulation().start.state)
        seeds.append(demo.seed)
    task = task_of(path)
    evaluated = [start.state for start in evaluation_starts(suite, task)]
    sizes = {state.size for state in starts}
    if sizes != {evaluated[0].size}:
        raise ValueError(f"{path} holds states of {sorted(sizes)} numbers; those of {task} have {evaluated[0].size}.")
    simulator = LiberoSimulator(suite, task)
    demonstrated, states = (positions_of(simulator.queries, each) for each in (starts, evaluated))
    simulator.close()
    closest = nearest_pair(demonstrated, states)
    return TaskAudit(task, file_digest(path), len(starts), seeds[closest.first], closest, nearest_pair_within(states))


def write(path: Path, audits: list[TaskAudit]) -> None:
    """Writes the audits of a suite as JSON, whole or not at all."""
    write_atomically(path, json.dumps({audit.task: audit.values() for audit in audits}, indent=1) + "\n")
