"""What a collection's worker does: plays episodes of experts, and puts demonstrations together into files.

No evaluation state can be reached from here: starts are drawn from seeds, by the simulator's own random reset.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, assert_never

from eval_bridge.collection.attempt_log import Attempt
from eval_bridge.collection.recording import (
    AddLooks,
    DrawStart,
    Expert,
    FailedEpisode,
    Lead,
    RecordableSimulator,
    RecordingSettings,
    own_looks,
    own_start,
    record_episode,
)
from eval_bridge.collection.takeover import TakeoverSettings, act_for
from eval_bridge.episodes.policy_desk import AskPolicy, OwnersPolicy
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.simulators.kept_simulator import KeptSimulator
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, merge, write_episode
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.run_folder import corrections_folder

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
        takeover: when the expert takes over from a policy, which the worker's owner has; None: it acts from the start.
        draw_start: draws the starts, in layouts if `recording` asks for them. add_looks: says how they look.
    """

    suite: str
    task: str
    build_simulator: Callable[[], _Simulator]
    expert: Expert[_Simulator]
    describe_scene: Callable[[], SceneDescription]
    recording: RecordingSettings
    takeover: TakeoverSettings | None = None
    draw_start: DrawStart[_Simulator] = own_start
    add_looks: AddLooks[_Simulator] = own_looks

    @property
    def folder(self) -> str:
        """What the folder of its demonstrations is called."""
        return self.suite if self.takeover is None else corrections_folder(self.suite)


@dataclass(frozen=True)
class Record:
    """Play the episode of a seed; a success is written to `part`, unless that is None. The result is an `Attempt`.

    Attributes:
        task_index: of the task. seed: of the episode. part: the file.
        row: of the policy's batch, where one acts before the expert.
    """

    task_index: int
    seed: int
    part: Path | None
    row: int = 0


@dataclass(frozen=True)
class Merge:
    """Put the demonstrations of `sources` into `path`, whole or not at all. There is no result."""

    task_index: int
    sources: tuple[Path, ...]
    path: Path


CollectionJob = Record | Merge


class CollectionWorker:
    """Handler of a `CollectionJob`; keeps the scene of the task it recorded last."""

    def __init__(self, tasks: Sequence[CollectionTask[Any]], needs: ObservationNeeds | None = None) -> None:
        """Builds nothing yet; jobs name tasks by their index in `tasks`, `needs` are those of the owner's policy."""
        self._tasks, self._needs = tasks, needs
        self._simulators = KeptSimulator[RecordableSimulator](lambda index: tasks[index].build_simulator())

    def run(self, job: CollectionJob, ask: AskPolicy) -> Attempt | None:
        """Does one job; asks for chunks where a policy acts before the expert."""
        match job:
            case Record():
                return self._record(job, ask)
            case Merge(_, sources, path):
                merge(sources, path)
                return None
            case _:
                assert_never(job)

    def close(self) -> None:
        """Closes the scene, if any."""
        self._simulators.close()

    def _record(self, job: Record, ask: AskPolicy) -> Attempt:
        began, task = time.perf_counter(), self._tasks[job.task_index]
        seed, part = job.seed, job.part
        simulator = self._simulators.of(job.task_index)
        result = record_episode(
            simulator,
            task.expert,
            task.recording,
            suite=task.suite,
            task=task.task,
            seed=seed,
            lead=self._lead(task, job, ask),
            draw_start=task.draw_start,
            add_looks=task.add_looks,
        )
        if part is not None and not isinstance(result, FailedEpisode):
            noise = dataclasses.asdict(task.recording.noise)
            description = EpisodeDescription(simulator.model_xml(), noise, result.style, result.layout)
            write_episode(part, result.demo, task.describe_scene(), description)
        seconds = round(time.perf_counter() - began, 2)
        style, layout = result.style, result.layout
        if isinstance(result, FailedEpisode):
            refused = _refused(result.looks)
            return Attempt(seed, False, result.steps, seconds, result.reason, style, layout, refused)
        assert result.demo.start is not None, "what was recorded has a start"
        refused = _refused(result.demo.start.looks)
        return Attempt(seed, True, len(result.demo), seconds, style=style, layout=layout, refused_looks=refused)

    def _lead(self, task: CollectionTask[Any], job: Record, ask: AskPolicy) -> Lead[Any] | None:
        if task.takeover is None:
            return None
        assert self._needs is not None, "a policy that acts has needs"
        policy = OwnersPolicy(ask, job.row, episode_key(job.seed, 0, 0), self._needs)
        return partial(act_for, policy=policy, steps=task.takeover.draw(job.seed))


def _refused(looks: Mapping[str, Any] | None) -> dict[str, int]:
    return dict(looks["refused"]) if looks else {}
