"""Renders the frames of demonstrations that were stored without them, or with smaller ones, by playing them again.

A demonstration is replayed from its start. On the kind of machine that recorded it every state comes back bit by bit,
and with it every pixel. Another processor may round otherwise: where the replay leaves the stored states, it is put
back onto them, so that frames always show the stored episode.
"""

import functools
import logging
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Never, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from eval_bridge.collection.demo_scene import simulator_of
from eval_bridge.collection.recording import RecordableSimulator, observe_frames
from eval_bridge.simulators.interface import EpisodeStart
from eval_bridge.simulators.kept_simulator import KeptSimulator
from eval_bridge.workers.jobs import JobLoop
from eval_bridge.workers.messages import Ask, Failure
from eval_bridge.workers.pool import WorkerPool
from eval_bridge.workers.scheduling import SceneAssignment
from rsd_jax.demos.demo import Demo, DemoFrames
from rsd_jax.demos.frames import RENDER_SIZE, STORED_SIZE
from rsd_jax.demos.libero_hdf5 import Hdf5Demos, concatenate, write_with_frames
from rsd_jax.demos.libero_hdf5.reading import lacks_frames
from rsd_jax.folder_lock import in_use
from rsd_jax.run_folder import DEMOS_FOLDER, demo_paths

_LOGGER = logging.getLogger(__name__)

TOLERANCE = 1e-6
"""Largest difference of any coordinate of a state (metres, radians, per second) at which a replay is left alone."""

MAX_CRASHES = 3


class RestorableSimulator(RecordableSimulator, Protocol):
    """A simulator that can be put into a state in the middle of an episode."""

    def restore(self, state: NDArray[np.float64]) -> None:
        """Puts everything that moves into ``state [S]``; what the state does not hold stays as it is."""
        ...


SimulatorT = TypeVar("SimulatorT", bound=RestorableSimulator)


class Rendered(NamedTuple):
    """Frames of a demonstration, and at how many of its steps the replay had to be put back onto the stored state."""

    frames: DemoFrames
    restored: int


class RenderingError(RuntimeError):
    """Frames could not be rendered; those that were are kept."""


def render_demo(simulator: RestorableSimulator, demo: Demo, size: int = STORED_SIZE) -> Rendered:
    """Replays a demonstration and renders both cameras, `size` pixels a side, before every action.

    Raises:
        DemoFieldError: it has no states or no start.
        ValueError: it belongs to another task than `simulator`.
    """
    states, start = demo.require_simulation()
    simulator.begin(EpisodeStart(start.state, start.fixture_poses, start.looks))
    seen: list[DemoFrames] = []
    restored = 0
    for action, state in zip(demo.actions, states, strict=True):
        if np.abs(simulator.state() - state).max() > TOLERANCE:
            simulator.restore(state)
            restored += 1
        seen.append(observe_frames(simulator, size))
        simulator.step(action)
    return Rendered(DemoFrames(*map(np.stack, zip(*seen, strict=True))), restored)


@dataclass(frozen=True)
class RenderFile:
    """A file whose demonstrations need frames of `size` pixels a side, and what simulates its task; for workers."""

    path: Path
    build_simulator: Callable[[], Any]
    size: int = STORED_SIZE

    @property
    def parts(self) -> Path:
        """The folder of what is rendered already."""
        return self.path.with_suffix(".frames" if self.size == STORED_SIZE else f".frames{self.size}")


@dataclass(frozen=True)
class RenderJob:
    """Render a demonstration by its place in the file. The result is the number of restored steps."""

    task_index: int
    demo: int


@dataclass(frozen=True)
class AssembleJob:
    """Put the rendered demonstrations of a file in its place. There is no result."""

    task_index: int


RenderingJob = RenderJob | AssembleJob


class RenderWorker:
    """Handler of a `RenderingJob`."""

    def __init__(self, files: Sequence[RenderFile]) -> None:
        """Builds nothing yet; jobs name files by their index in `files`."""
        self._files = files
        self._simulators: KeptSimulator[Any] = KeptSimulator(lambda index: files[index].build_simulator())

    def run(self, job: RenderingJob, ask: Ask[Never, Never]) -> int | None:
        """Does one job; asks nothing."""
        file = self._files[job.task_index]
        demos = Hdf5Demos.open(file.path)
        if isinstance(job, AssembleJob):
            concatenate([part_path(file, demo) for demo in range(len(demos))], file.path)
            shutil.rmtree(file.parts)
            return None
        rendered = render_demo(self._simulators.of(job.task_index), demos[job.demo], file.size)
        source, name = demos.episodes[job.demo]
        write_with_frames(source, name, rendered.frames, part_path(file, job.demo))
        return rendered.restored

    def close(self) -> None:
        """Closes the scene, if any."""
        self._simulators.close()


def part_path(file: RenderFile, demo: int) -> Path:
    """Where a rendered demonstration waits for the others of its file."""
    return file.parts / f"demo_{demo:06d}.hdf5"


def render_files(files: Sequence[RenderFile], workers: int, on_demo: Callable[[Path, int, int], None]) -> None:
    """Adds frames to all demonstrations of `files`; goes on where a killed rendering stopped.

    A file is replaced, whole, when all of its demonstrations are rendered.

    Args:
        files: each needs at least one demonstration's frames.
        workers: number of worker processes.
        on_demo: told of every rendered demonstration: file, place in it, and number of restored steps.

    Raises:
        RenderingError: a worker crashed again and again with the same demonstration.
        InUseError: another process writes demonstrations there.
    """
    with ExitStack() as uses:
        for folder in sorted({file.path.parent for file in files}):
            uses.enter_context(in_use(folder))  # as a collection does
        rendering = _Rendering(files, on_demo)
        pool = uses.enter_context(WorkerPool(workers, functools.partial(RenderWorker, tuple(files))))
        JobLoop(pool).run(rendering)


class _Rendering:
    """Demonstrations without frames, and files whose demonstrations have them (implements `JobSource`)."""

    def __init__(self, files: Sequence[RenderFile], on_demo: Callable[[Path, int, int], None]) -> None:
        self._files, self._on_demo = files, on_demo
        self._missing: dict[int, deque[int]] = {}
        for index, file in enumerate(files):
            every = range(len(Hdf5Demos.open(file.path)))
            self._missing[index] = deque(demo for demo in every if not part_path(file, demo).exists())
        self._left = {index: len(demos) for index, demos in self._missing.items()}  # those under way included
        self._unassembled = set(self._missing)

    def next_job(self, worker: int, scenes: SceneAssignment[int]) -> RenderingJob | None:
        """What is complete is assembled at once; else a demonstration of a task whose scene the worker should have."""
        for index in self._unassembled:
            if not self._left[index]:
                self._unassembled.remove(index)
                return AssembleJob(index)
        task = scenes.assign(worker, {index: len(demos) for index, demos in self._missing.items()})
        return None if task is None else RenderJob(task, self._missing[task].popleft())

    def done(self, job: RenderingJob, result: int | None) -> None:
        """Counts a demonstration, and tells of it."""
        if isinstance(job, RenderJob) and result is not None:
            self._left[job.task_index] -= 1
            self._on_demo(self._files[job.task_index].path, job.demo, result)

    def failed(self, failure: Failure[RenderingJob], times: int) -> None:
        """Takes the job back, to be done after the others, or ends the rendering."""
        _, job, error, trace = failure
        _LOGGER.warning("%s crashed (time %d): %s", job, times, error)
        if times >= MAX_CRASHES:
            name = f"{self._files[job.task_index].path}: {job}"
            raise RenderingError(f"{name} crashed {MAX_CRASHES} times: {error}\n{trace}")
        if isinstance(job, RenderJob):
            self._missing[job.task_index].append(job.demo)
        else:
            self._unassembled.add(job.task_index)


def files_to_render(run_dir: Path, size: int = STORED_SIZE) -> list[RenderFile]:
    """The demonstration files of a run that lack frames of `size` pixels, with the simulators of their tasks.

    Raises:
        FileNotFoundError: the run has no demonstrations.
        ValueError: frames of this size are not stored.
        DemoFileError: a file is damaged.
    """
    if size not in (STORED_SIZE, RENDER_SIZE):
        raise ValueError(f"image_size={size} must be {STORED_SIZE} or {RENDER_SIZE} pixels a side")
    paths = demo_paths(run_dir)
    if not paths:
        raise FileNotFoundError(
            f"no demonstrations in {run_dir / DEMOS_FOLDER}; `python -m launch.collect` makes them"
        )
    files = []
    for path in paths:
        if lacks_frames(path, size):
            first = Hdf5Demos.open(path)[0]
            files.append(RenderFile(path, partial(simulator_of, path, first.suite, first.task), size))
    return files
