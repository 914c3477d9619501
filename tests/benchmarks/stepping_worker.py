"""A worker that steps LIBERO with random actions, importable by worker processes."""

import time
from typing import Any, NamedTuple

import numpy as np

from eval_bridge.simulators.kept_simulator import KeptSimulator
from eval_bridge.simulators.libero.environment import LiberoSimulator
from eval_bridge.workers.messages import Ask


class Build(NamedTuple):
    """Build the scene of a task and begin an episode."""

    task_index: int


class Step(NamedTuple):
    """Step for some seconds, rendering both cameras every so many steps. The result is the steps a second."""

    task_index: int
    seconds: float
    render_every: int | None


class SteppingWorker:
    """Handler of `Build` and `Step`."""

    def __init__(self, suite: str) -> None:
        self._simulators = KeptSimulator(lambda index: LiberoSimulator(suite, index))
        self._generator = np.random.default_rng(0)

    def run(self, job: Any, ask: Ask) -> float:
        simulator = self._simulators.of(job.task_index)
        if isinstance(job, Build):
            simulator.begin(simulator.draw_start(600_000_000))
            simulator.observe()
            return 0.0
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < job.seconds:
            if job.render_every is not None and steps % job.render_every == 0:
                simulator.observe()
            simulator.step(self._generator.uniform(-1, 1, 7).astype(np.float32))
            steps += 1
        return steps / (time.perf_counter() - began)

    def close(self) -> None:
        self._simulators.close()
