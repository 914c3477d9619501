"""A simulator, a policy and a benchmark whose episodes a reader can follow by hand; importable by workers."""

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import Observation
from eval_bridge.policies.interface import PolicyAnswer, PolicyOutput, PolicyRequest
from eval_bridge.simulators.check_result import CheckResult
from eval_bridge.simulators.interface import EpisodeStart, Goal, Probe, Simulator
from rsd_jax.demos.frames import RENDER_SIZE
from rsd_jax.observation_needs import ObservationNeeds

CHUNK_LENGTH = 8
DRAFT_COUNTS = {
    "accepted": np.array([[4, 2], [2, 0], [0, 0]]),
    "proposed": np.array([[4, 4], [4, 4], [0, 0]]),
    "first_run": np.array([1, 0, 0]),
}
"""Of a chunk with three layers of two latent dimensions, of which one pass drafts two."""


class CountingSimulator:
    """Solved after as many steps as the start's state says; remembers what it was asked for."""

    instruction = "pick up the black bowl from table center and place it on the plate"
    goal = Goal((("on", "bowl", "plate"),), ("bowl",), ())

    def __init__(self) -> None:
        self.taken = 0
        self.solved_after = 0
        self.calls: list[str] = []
        self.actions: list[NDArray[np.float32]] = []
        self.closed = False

    def begin(self, start: EpisodeStart) -> None:
        self.taken, self.solved_after = 0, int(start.state[0])
        self.calls.append("begin")

    def draw_start(self, seed: int) -> EpisodeStart:
        return start_solved_after(seed)

    def step(self, action: NDArray[np.float32]) -> bool:
        self.actions.append(action)
        self.taken += 1
        return self.taken >= self.solved_after

    def observe(self) -> Observation:
        self.calls.append(f"observe {self.taken}")
        return Observation(self._frame(), self._frame(), self.proprio(), self.instruction)

    def proprio(self) -> NDArray[np.float32]:
        return np.zeros(8, np.float32)

    def probe(self) -> Probe:
        holds = self.taken >= self.solved_after
        return Probe(np.full(3, self.taken / 100), np.zeros(3), 0.08, (holds,), np.zeros((1, 3)), np.zeros(0))

    def render(self, camera: str) -> NDArray[np.uint8]:
        self.calls.append(f"render {camera} {self.taken}")
        return self._frame()

    def close(self) -> None:
        self.closed = True

    def _frame(self) -> NDArray[np.uint8]:
        """As rendered, that is upside-down: the row that is white when upright is the last one here."""
        frame = np.full((RENDER_SIZE, RENDER_SIZE, 3), 3 * min(self.taken, 60), np.uint8)
        frame[-1] = 255
        return frame


class TroubledSimulator(CountingSimulator):
    """Gets into trouble in its third step as often as its folder holds files called trouble."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def step(self, action: NDArray[np.float32]) -> bool:
        if self.taken == 2:
            self.get_into_trouble()
        return super().step(action)

    def get_into_trouble(self) -> None:
        for file in sorted(self.folder.glob("trouble_*")):
            try:
                kind = file.read_text()
                file.unlink()
            except FileNotFoundError:  # another worker has it
                continue
            if kind == "die":
                os._exit(1)
            raise RuntimeError("the driver is gone")

    def close(self) -> None:
        super().close()
        if self.taken == 2:
            raise RuntimeError("cannot close")


def make_trouble(folder: Path, kind: str, times: int) -> None:
    """Lets the next episodes raise ("crash") or lose their process ("die")."""
    for _ in range(times):
        (folder / f"trouble_{uuid.uuid4().hex}").write_text(kind)


class CountingPolicy:
    """Chunks whose first number tells the step; each took 3 rounds and accepted 6 of 8 drafted tokens of layer 0."""

    observation_needs = ObservationNeeds(128, ("agentview", "wrist"), 8)

    def __init__(self, decoder: str = "speculative_greedy", batch_size: int = 4) -> None:
        self.decoder, self.batch_size = decoder, batch_size
        self.chunks = 0
        self.batches: list[set[int]] = []
        self.requests: list[PolicyRequest] = []

    def act(self, observation: Observation) -> PolicyOutput:
        self.chunks += 1
        return self._chunk(self.chunks - 1)

    def act_batch(self, requests: Mapping[int, PolicyRequest]) -> dict[int, PolicyAnswer]:
        assert set(requests) <= set(range(self.batch_size))
        self.batches.append(set(requests))
        self.requests += requests.values()
        return {row: self._answer(request) for row, request in requests.items()}

    def _answer(self, request: PolicyRequest) -> PolicyAnswer:
        """The state is the episode's key and how often it has asked."""
        chunk = self._chunk(int(request.observation.frames[0][0, 0, 0]) // 24)
        return PolicyAnswer(chunk, (*request.episode, request.call + 1))

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        names = ("preprocess", "backbone", "decoder", "detokenize", "chunk", "draft_pass", "verify_pass", "step_pass")
        return {name: lambda: np.zeros(1) for name in names}

    def _chunk(self, number: int) -> PolicyOutput:
        actions = np.zeros((CHUNK_LENGTH, 7), np.float32)
        actions[:, 0] = np.arange(CHUNK_LENGTH) / 10 + number
        return PolicyOutput(actions, rounds=3, **DRAFT_COUNTS)


class CountingBenchmark:
    """Two tasks of four episodes; episode k is solved after 10 + 10 k steps, and the limit is 25: 0 and 1 succeed.

    Every scene that is built leaves a file in `folder`, if there is one.
    """

    simulator = "counting"
    suite = "counting_suite"
    tasks = ("first_task", "second_task")
    step_limit = 25
    episodes_per_task = 4

    def __init__(self, folder: Path | None = None, can_build: bool = True, is_right: bool = True) -> None:
        self.folder, self.can_build, self.is_right = folder, can_build, is_right

    def build(self, task_index: int) -> CountingSimulator:
        if not self.can_build:
            raise RuntimeError("no renderer")
        if self.folder is None:
            return CountingSimulator()
        (self.folder / f"built_{task_index}_{uuid.uuid4().hex}").touch()
        return TroubledSimulator(self.folder)

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        return start_solved_after(10 + 10 * episode)

    def check(self, simulator: Simulator, task_index: int, with_installation: bool) -> list[CheckResult]:
        return [CheckResult("gripper direction", self.is_right, "opens at +1", 0.0)] if with_installation else []


def counting_benchmark(folder: Path | None, simulator: str, suite: str, **settings: bool) -> CountingBenchmark:
    """In place of `eval_bridge.evaluation.benchmarks.get_benchmark`, whose arguments come last."""
    return CountingBenchmark(folder, **settings)


def start_solved_after(steps: int) -> EpisodeStart:
    """A start from which the task is solved by the action of that number."""
    return EpisodeStart(np.array([steps], np.float64), {})
