"""What a collection's worker does: plays episodes of experts, and puts demonstrations together into files.

No evaluation state can be reached from here: starts are drawn from seeds, by the simulator's own random reset.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Never, TypeVar, assert_never

from eval_bridge.collection.attempt_log import Attempt
from eval_bridge.collection.recording import (
    Expert,
    FailedEpisode,
    RecordableSimulator,
    RecordingSettings,
    record_episode,
)
from eval_bridge.simulators.kept_simulator import KeptSimulator
from eval_bridge.workers.messages import Ask
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, merge, write_episode

_Simulator = TypeVar("_Simulator", bound=RecordableSimulator)


@dataclass(frozen=True)
class CollectionTask(Generic[_Simulator]):
    """What to record. Everything in it is sent to the workers.

    Attributes:
        suite: name of the task suite.
        task: name of the task.
        build_simulator: makes the task's simulator, once in each worker that records the task.
        expert: solves it.
        describe_scene: makes the attributes of the demonstration files.
        recording: how episodes are recorded.
    """

    suite: str
    task: str
    build_simulator: Callable[[], _Simulator]
    expert: Expert[_Simulator]
    describe_scene: Callable[[], SceneDescription]
    recording: RecordingSettings


@dataclass(frozen=True)
class Record:
    """Play the episode of a seed; a success is written to `part`, unless that is None. The result is an `Attempt`."""

    task_index: int
    seed: int
    part: Path | None


@dataclass(frozen=True)
class Merge:
    """Put the demonstrations of `sources` into `path`, whole or not at all. There is no result."""

    task_index: int
    sources: tuple[Path, ...]
    path: Path


CollectionJob = Record | Merge


class CollectionWorker:
    """Handler of a `CollectionJob`; keeps the scene of the task it recorded last."""

    def __init__(self, tasks: Sequence[CollectionTask[Any]]) -> None:
        """Builds nothing yet; jobs name tasks by their index in `tasks`."""
        self._tasks = tasks
        self._simulators = KeptSimulator[RecordableSimulator](lambda index: tasks[index].build_simulator())

    def run(self, job: CollectionJob, ask: Ask[Never, Never]) -> Attempt | None:
        """Does one job; asks nothing."""
        match job:
            case Record(task_index, seed, part):
                return self._record(task_index, seed, part)
            case Merge(_, sources, path):
                merge(sources, path)
                return None
            case _:
                assert_never(job)

    def close(self) -> None:
        """Closes the scene, if any."""
        self._simulators.close()

    def _record(self, task_index: int, seed: int, part: Path | None) -> Attempt:
        began, task = time.perf_counter(), self._tasks[task_index]
        simulator = self._simulators.of(task_index)
        result = record_episode(simulator, task.expert, task.recording, suite=task.suite, task=task.task, seed=seed)
        if part is not None and not isinstance(result, FailedEpisode):
            noise = dataclasses.asdict(task.recording.noise)
            description = EpisodeDescription(simulator.model_xml(), noise, result.style)
            write_episode(part, result.demo, task.describe_scene(), description)
        seconds = round(time.perf_counter() - began, 2)
        if isinstance(result, FailedEpisode):
            return Attempt(seed, False, result.steps, seconds, result.reason, result.style)
        return Attempt(seed, True, len(result.demo), seconds, style=result.style)
