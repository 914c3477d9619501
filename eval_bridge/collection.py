"""Collects demonstrations of one task with several worker processes; goes on where a killed collection stopped.

Every success is at once a complete file of its own in ``TASK_demo.parts/``; when there are enough they are merged
into ``TASK_demo.hdf5``, which therefore exists only when it is complete. The demonstrations are those of the first
seeds, in order, with which the expert succeeds: the same ones whatever the number of workers, and however often it
was stopped.
"""

import dataclasses
import logging
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from eval_bridge.collection_log import Attempt, CollectionLog
from eval_bridge.recording import Expert, Failure, RecordableSimulator, RecordingSettings, record_episode
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, merge, read_seeds, write_episode

_LOGGER = logging.getLogger(__name__)


_Simulator = TypeVar("_Simulator", bound=RecordableSimulator)


class CollectionError(RuntimeError):
    """The collection cannot go on; what was collected so far is kept."""


@dataclass(frozen=True)
class CollectionTask(Generic[_Simulator]):
    """What to record. Everything in it is sent to the worker processes.

    Attributes:
        suite: name of the task suite.
        task: name of the task.
        build_simulator: makes the task's simulator, once in each worker.
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
class CollectionPlan:
    """How much to record.

    Attributes:
        demos: number of demonstrations wanted.
        first_seed: seed of the first attempt; the following attempts count upwards.
        workers: number of worker processes.
        attempts_per_demo: the collection ends with an error after ``attempts_per_demo * demos`` attempts.

    Raises:
        ValueError: on construction, if a number is out of range.
    """

    demos: int
    first_seed: int = 0
    workers: int = 1
    attempts_per_demo: int = 3

    def __post_init__(self) -> None:
        for name, least in (("demos", 1), ("first_seed", 0), ("workers", 1), ("attempts_per_demo", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")


def demo_path(run_dir: Path, suite: str, task: str) -> Path:
    """Where a run keeps the demonstrations of a task."""
    return run_dir / "demos" / suite / f"{task}_demo.hdf5"


def summary_path(demos: Path) -> Path:
    """The summary beside a demonstration file."""
    return demos.with_suffix(".json")


def collect(
    task: CollectionTask[_Simulator],
    plan: CollectionPlan,
    path: Path,
    *,
    provenance: Mapping[str, Any],
    on_attempt: Callable[[Attempt], None],
) -> CollectionLog:
    """Brings the demonstration file at `path` to ``plan.demos`` demonstrations.

    Args:
        task: what to record.
        plan: how much.
        path: the demonstration file; its summary is written beside it.
        provenance: goes into the summary; JSON values.
        on_attempt: told of every attempt, those of earlier runs first.

    Returns:
        All attempts.

    Raises:
        CollectionError: a worker crashed (with its traceback) or died, or too many attempts failed.
        ValueError: what is there was collected with other settings, or is damaged (`DemoFileError`).
        OSError: the folder cannot be written, or is full; nothing half-written is left.
    """
    parts = path.with_suffix(".parts")
    _require_writable(path.parent)
    settings = {"first_seed": plan.first_seed, **dataclasses.asdict(task.recording)}
    log = CollectionLog.open(summary_path(path), settings, provenance)
    _adopt_existing(log, path, parts)
    for seed in sorted(log.attempts):
        on_attempt(log.attempts[seed])

    _attempt_until_enough(task, plan, parts, log, on_attempt)
    if parts.exists():
        merge(_existing_files(path, parts), path)
        shutil.rmtree(parts)
    log.save()
    return log


def _attempt_until_enough(
    task: CollectionTask[_Simulator],
    plan: CollectionPlan,
    parts: Path,
    log: CollectionLog,
    on_attempt: Callable[[Attempt], None],
) -> None:
    """Runs attempts in worker processes until `log` has ``plan.demos`` successes."""
    with _workers(min(plan.workers, plan.demos), task) as pool:
        running: dict[Future[Attempt], int] = {}
        while True:
            while (seed := _next_seed(log, plan, set(running.values()))) is not None:
                running[pool.submit(_attempt, seed, _part(parts, seed))] = seed
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                del running[future]
                attempt = _result_of(future)
                log.add(attempt)
                on_attempt(attempt)
    successes = sum(attempt.is_success for attempt in log.attempts.values())
    if successes < plan.demos:
        reasons = sorted({attempt.reason for attempt in log.attempts.values() if not attempt.is_success})
        raise CollectionError(
            f"{task.suite}, {task.task}: {len(log.attempts)} attempts gave {successes} of {plan.demos} "
            f"demonstrations; the failures were: {'; '.join(reasons)}"
        )


def _next_seed(log: CollectionLog, plan: CollectionPlan, running: set[int]) -> int | None:
    """The next seed to try, or None while what is there and what is running may suffice, or attempts are used up.

    Seeds are tried in order and never more at once than demonstrations are missing: so those that succeed are always
    the first ones, whoever finishes first.
    """
    successes = sum(attempt.is_success for attempt in log.attempts.values())
    if successes + len(running) >= plan.demos:
        return None
    last = plan.first_seed + plan.attempts_per_demo * plan.demos
    return next((s for s in range(plan.first_seed, last) if s not in log.attempts and s not in running), None)


def _adopt_existing(log: CollectionLog, path: Path, parts: Path) -> None:
    """Brings the log in line with the demonstrations on disk, which alone decide what has succeeded."""
    for unfinished in path.parent.glob(f".{path.stem}.*.unfinished"):  # of a killed process
        unfinished.unlink()
    found: dict[int, int] = {}
    for source in _existing_files(path, parts):
        found |= read_seeds(source)
    for seed, steps in found.items():
        if seed not in log.attempts:  # stopped between writing the demonstration and noting it
            log.attempts[seed] = Attempt(seed, is_success=True, steps=steps, seconds=0.0)
    lost = [attempt.seed for attempt in log.attempts.values() if attempt.is_success and attempt.seed not in found]
    for seed in lost:
        _LOGGER.warning("the demonstration of seed %d is gone; it is collected again", seed)
        del log.attempts[seed]


def _existing_files(path: Path, parts: Path) -> list[Path]:
    return [file for file in (path, *sorted(parts.glob("*.hdf5"))) if file.exists()]


def _part(parts: Path, seed: int) -> Path:
    return parts / f"seed_{seed:010d}.hdf5"


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(1024))
    except OSError as error:
        raise OSError(
            error.errno, f"demonstrations cannot be written ({error.strerror}); choose another run_dir", str(folder)
        ) from error


def _result_of(future: Future[Attempt]) -> Attempt:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise CollectionError(
            "a worker process died without a word (killed, out of memory, or a crash of the renderer); "
            "run the command again to go on, with fewer workers if memory is short"
        ) from error


# --- in the worker process

_worker_task: CollectionTask[Any]


def _start_worker(task: CollectionTask[Any]) -> None:
    """Tells this process its task, and ends it when its parent is gone: nobody would read what it records."""
    global _worker_task
    _worker_task = task
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@cache
def _simulator() -> RecordableSimulator:
    """This worker's simulator, built at its first episode."""
    return _worker_task.build_simulator()


def _attempt(seed: int, part: Path) -> Attempt:
    """Plays one episode; a success is written to `part`."""
    task, began = _worker_task, time.perf_counter()
    try:
        simulator = _simulator()
        result = record_episode(simulator, task.expert, task.recording, suite=task.suite, task=task.task, seed=seed)
        episode = EpisodeDescription(simulator.model_xml(), noise=dataclasses.asdict(task.recording.noise))
        scene = task.describe_scene()
    except Exception as error:  # a text crosses to the parent whatever the error is, and tells where it came from
        report = "".join(traceback.format_exception(error))
        raise CollectionError(f"the worker that recorded seed {seed} crashed:\n{report}") from error
    if isinstance(result, Failure):
        return Attempt(seed, False, result.steps, round(time.perf_counter() - began, 2), result.reason)
    write_episode(part, result, scene, episode)
    return Attempt(seed, True, len(result), round(time.perf_counter() - began, 2))


@contextmanager
def _workers(count: int, task: CollectionTask[Any]) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes (a renderer does not survive a fork); on an error no further episode is started."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker, initargs=(task,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
