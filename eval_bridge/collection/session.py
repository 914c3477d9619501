"""Collects demonstrations of many tasks on all cores; goes on where a killed collection stopped.

Every success is at once a complete file of its own in ``TASK_demo.parts/``; when there are enough they are merged
into ``TASK_demo.hdf5``, which therefore exists only when it is complete. The demonstrations are those of the first
seeds, in order, with which the expert succeeds: the same ones whatever the number of workers, however often it was
stopped, and whichever workers died.
"""

import dataclasses
import functools
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval_bridge.collection.attempt_log import Attempt, CollectionLog
from eval_bridge.collection.worker import CollectionJob, CollectionTask, CollectionWorker, Merge, Record
from eval_bridge.episodes.policy_desk import PolicyDesk
from eval_bridge.experts.smooth_motion import MotionLimits
from eval_bridge.experts.style import StyleSettings
from eval_bridge.policies.interface import Policy
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.workers.jobs import JobLoop
from eval_bridge.workers.messages import Failure
from eval_bridge.workers.pool import SILENCE_LIMIT, WorkerPool
from eval_bridge.workers.scheduling import SceneAssignment
from eval_bridge.workers.shard import WHOLE, Shard
from rsd_jax.demos.libero_hdf5 import read_seeds
from rsd_jax.folder_lock import in_use
from rsd_jax.run_folder import demo_path, summary_path

_LOGGER = logging.getLogger(__name__)


class CollectionError(RuntimeError):
    """The collection cannot go on; what was collected so far is kept."""


@dataclass(frozen=True)
class Leader:
    """The policy that acts before the expert takes over.

    Attributes:
        policy: it.
        checkpoints: digests of what acts, by stage: a collection that goes on must have the same.
    """

    policy: Policy
    checkpoints: Mapping[str, str]


@dataclass(frozen=True)
class CollectionPlan:
    """How much to record, of every task.

    Attributes:
        demos: number of demonstrations wanted of each task.
        first_seed: seed of the first attempt; the following attempts count upwards.
        workers: number of worker processes.
        attempts_per_demo: a task ends with an error after ``attempts_per_demo * demos`` attempts.
        max_crashes: a task ends with an error when so many workers crashed or died with the same seed.
        silence_limit: seconds without a word after which a worker counts as hung and is replaced.
        environments: environment variables of the workers, in turn (`WorkerPool`).
        shard: the part of the tasks that this host records.

    Raises:
        ValueError: on construction, if a number is out of range.
    """

    demos: int
    first_seed: int = 0
    workers: int = 1
    attempts_per_demo: int = 3
    max_crashes: int = 3
    silence_limit: float = SILENCE_LIMIT
    environments: Sequence[Mapping[str, str]] = ({},)
    shard: Shard = WHOLE

    def __post_init__(self) -> None:
        for name, least in (("demos", 1), ("first_seed", 0), ("workers", 1), ("attempts_per_demo", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.max_crashes < 1 or self.silence_limit <= 0:
            raise ValueError(f"max_crashes={self.max_crashes} and silence_limit={self.silence_limit} must be positive")


def collect(
    tasks: Sequence[CollectionTask[Any]],
    plan: CollectionPlan,
    run_dir: Path,
    *,
    provenance: Mapping[str, Any],
    on_attempt: Callable[[CollectionTask[Any], Attempt], None],
    leader: Leader | None = None,
) -> list[CollectionLog]:
    """Brings the demonstration file of every task to ``plan.demos`` demonstrations; of a shard, of its tasks.

    Args:
        tasks: of the whole collection.
        plan: how much, and which of them are recorded here.
        run_dir: the run's folder; each task's file is at its `demo_path`, its summary beside it.
        provenance: goes into the summaries; JSON values.
        on_attempt: told of every attempt, those of earlier runs first.
        leader: the policy that acts before the expert; for tasks in which the expert takes over.

    Returns:
        All attempts, by task of the shard.

    Raises:
        CollectionError: of some tasks, workers crashed again and again with the same seed (with the traceback), or
            too many attempts failed. The other tasks are complete.
        ValueError: what is there was collected with other settings, or is damaged (`DemoFileError`).
        InUseError: another collection records one of the tasks, or, of what is not divided, in the folder of a suite.
        OSError: a folder cannot be written, or is full; nothing half-written is left.
    """
    with ExitStack() as uses:
        paths = [demo_path(run_dir, task.folder, task.task) for task in plan.shard.of(tasks)]
        for folder in sorted({path.parent for path in paths}):
            _require_writable(folder)
            if plan.shard == WHOLE:
                uses.enter_context(in_use(folder))
        for path in paths:
            uses.enter_context(in_use(path))
        return _collect(tasks, plan, run_dir, provenance, on_attempt, leader)


def _collect(
    tasks: Sequence[CollectionTask[Any]],
    plan: CollectionPlan,
    run_dir: Path,
    provenance: Mapping[str, Any],
    on_attempt: Callable[[CollectionTask[Any], Attempt], None],
    leader: Leader | None,
) -> list[CollectionLog]:
    numbered = plan.shard.of(list(enumerate(tasks)))
    states = [_TaskState.open(task, number, plan, run_dir, provenance, leader) for number, task in numbered]
    for state in states:
        for seed in sorted(state.log.attempts):
            on_attempt(state.task, state.log.attempts[seed])
    if any(state.available or state.has_parts for state in states):
        most = sum(state.available for state in states) or 1
        needs = None if leader is None else leader.policy.observation_needs
        make_handler = functools.partial(CollectionWorker, tuple(state.task for state in states), needs)
        with WorkerPool(
            min(plan.workers, most),
            make_handler,
            silence_limit=plan.silence_limit,
            environments=plan.environments,
        ) as pool:
            if leader is None:
                JobLoop(pool).run(_Collection(states, plan.max_crashes, on_attempt))
            else:
                desk = PolicyDesk(leader.policy, pool.answer)
                source = _Collection(states, plan.max_crashes, on_attempt, leader.policy.batch_size)
                JobLoop(pool, desk.serve).run(source, meanwhile=desk.compile_policy)
    for state in states:
        state.log.save()
    problems = [problem for state in states for problem in state.problems()]
    if problems:
        raise CollectionError("\n".join(problems))
    return [state.log for state in states]


@dataclass
class _Collection:
    """Attempts, and the merging of complete tasks (implements `JobSource`)."""

    states: Sequence["_TaskState"]
    max_crashes: int
    on_attempt: Callable[[CollectionTask[Any], Attempt], None]
    rows: int = 1  # of the policy's batch

    def next_job(self, worker: int, scenes: SceneAssignment[int]) -> CollectionJob | None:
        """What is complete is merged at once; else an attempt at a task whose scene the worker has, or should have."""
        for index, state in enumerate(self.states):
            if state.can_merge:
                return state.start_merging(index)
        task = scenes.assign(worker, {index: state.available for index, state in enumerate(self.states)})
        return None if task is None else self.states[task].start_recording(task, self.rows)

    def done(self, job: CollectionJob, result: Attempt | None) -> None:
        """Notes an attempt, which is told, or that a file is there."""
        state = self.states[job.task_index]
        if result is None:
            state.finish_merging()
        else:
            state.add(result)
            self.on_attempt(state.task, result)

    def failed(self, failure: Failure[CollectionJob], times: int) -> None:
        """Gives up on the task of a job that has crashed too often; the others go on."""
        _LOGGER.warning("%s: worker crashed (time %d): %s", failure.job, times, failure.error)
        self.states[failure.job.task_index].give_back(failure.job, failure if times >= self.max_crashes else None)


@dataclass
class _TaskState:
    """Where the collection of one task stands; `number` is its place among those of the whole collection."""

    task: CollectionTask[Any]
    number: int
    plan: CollectionPlan
    path: Path
    log: CollectionLog
    running: set[int] = field(default_factory=set)
    is_merging: bool = False
    failure: Failure[CollectionJob] | None = None

    @classmethod
    def open(
        cls,
        task: CollectionTask[Any],
        number: int,
        plan: CollectionPlan,
        run_dir: Path,
        provenance: Mapping[str, Any],
        leader: Leader | None,
    ) -> "_TaskState":
        path = demo_path(run_dir, task.folder, task.task)
        settings = {"first_seed": plan.first_seed, **dataclasses.asdict(task.recording)}
        defaults = {
            "style": StyleSettings(),
            "motion": MotionLimits(),
            "layout": LayoutSettings(),
            "looks": LooksSettings(),
        }
        for name, default in defaults.items():
            if getattr(task.recording, name) == default:
                del settings[name]  # so that collections from before there was such a setting go on
        if task.takeover is not None and leader is not None:
            when = {"earliest": task.takeover.earliest, "latest": task.takeover.latest}
            settings["takeover"] = {**when, "decoder": leader.policy.decoder, "checkpoints": dict(leader.checkpoints)}
        identified = {"suite": task.suite, "task": task.task, **provenance}
        state = cls(task, number, plan, path, CollectionLog.open(summary_path(path), settings, identified))
        state._adopt_existing()
        return state

    @property
    def parts(self) -> Path:
        """The folder of demonstrations that are not merged yet."""
        return self.path.with_suffix(".parts")

    @property
    def has_parts(self) -> bool:
        """Whether there is something to merge."""
        return self.parts.exists()

    @property
    def successes(self) -> int:
        """Demonstrations there are."""
        return sum(attempt.is_success for attempt in self.log.attempts.values())

    @property
    def available(self) -> int:
        """Attempts that may be started now.

        Seeds are tried in order and never more at once than demonstrations are missing: so those that succeed are
        always the first ones, whoever finishes first.
        """
        if self.failure is not None:
            return 0
        missing = self.plan.demos - self.successes - len(self.running)
        left = self.plan.attempts_per_demo * self.plan.demos - len(self.log.attempts) - len(self.running)
        return max(0, min(missing, left))

    @property
    def can_merge(self) -> bool:
        """Whether all demonstrations are there and somebody has to put them together."""
        is_complete = self.successes >= self.plan.demos and not self.running
        return is_complete and self.has_parts and not self.is_merging and self.failure is None

    def start_recording(self, index: int, rows: int) -> Record:
        """The attempt with the next seed; always in the same one of the policy's `rows`, whatever shard it is in."""
        seed = next(seed for seed in self._seeds() if seed not in self.log.attempts and seed not in self.running)
        self.running.add(seed)
        return Record(index, seed, self.parts / f"seed_{seed:010d}.hdf5", (seed + self.number) % rows)

    def start_merging(self, index: int) -> Merge:
        """The merging of everything there is."""
        self.is_merging = True
        return Merge(index, tuple(self._files()), self.path)

    def add(self, attempt: Attempt) -> None:
        """Notes a finished attempt."""
        self.running.remove(attempt.seed)
        self.log.add(attempt)

    def finish_merging(self) -> None:
        """The file is there: the parts have served."""
        shutil.rmtree(self.parts)
        self.is_merging = False

    def give_back(self, job: CollectionJob, failure: Failure[CollectionJob] | None) -> None:
        """A worker crashed; `failure` if it shall not be tried again."""
        if isinstance(job, Record):
            self.running.remove(job.seed)
        self.is_merging = False
        self.failure = self.failure or failure

    def problems(self) -> Iterator[str]:
        """Why the task is not complete, if so."""
        name = f"{self.task.suite}, {self.task.task}"
        if self.failure is not None:
            what = f"seed {self.failure.job.seed}" if isinstance(self.failure.job, Record) else "merging"
            details = f"\n{self.failure.traceback}" if self.failure.traceback else ""
            yield f"{name}: {what} crashed {self.plan.max_crashes} times: {self.failure.error}{details}"
        elif self.successes < self.plan.demos:
            reasons = sorted({attempt.reason for attempt in self.log.attempts.values() if not attempt.is_success})
            yield (
                f"{name}: {len(self.log.attempts)} attempts gave {self.successes} of {self.plan.demos} "
                f"demonstrations; the failures were: {'; '.join(reasons)}"
            )

    def _seeds(self) -> range:
        first = self.plan.first_seed
        return range(first, first + self.plan.attempts_per_demo * self.plan.demos)

    def _files(self) -> list[Path]:
        return [file for file in (self.path, *sorted(self.parts.glob("*.hdf5"))) if file.exists()]

    def _adopt_existing(self) -> None:
        """Brings the log in line with the demonstrations on disk, which alone decide what has succeeded."""
        for folder in (self.path.parent, self.parts):
            for unfinished in folder.glob(".*.unfinished"):  # of a killed process of an earlier version
                if unfinished.name.startswith((f".{self.path.stem}.", ".seed_")):
                    unfinished.unlink()
        found: dict[int, int] = {}
        for source in self._files():
            found |= read_seeds(source)
        for seed, steps in found.items():
            if seed not in self.log.attempts:  # stopped between writing the demonstration and noting it
                self.log.attempts[seed] = Attempt(seed, is_success=True, steps=steps, seconds=0.0)
        attempts = self.log.attempts.values()
        for seed in [attempt.seed for attempt in attempts if attempt.is_success and attempt.seed not in found]:
            _LOGGER.warning("the demonstration of seed %d is gone; it is collected again", seed)
            del self.log.attempts[seed]


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(1024))
    except OSError as error:
        raise OSError(
            error.errno, f"demonstrations cannot be written ({error.strerror}); choose another run_dir", str(folder)
        ) from error
