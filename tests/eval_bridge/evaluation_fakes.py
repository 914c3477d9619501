"""A simulator, a policy and a benchmark whose episodes a reader can follow by hand."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eval_bridge.interface import PolicyOutput
from eval_bridge.simulators.interface import EpisodeStart, Observation, Simulator

CHUNK_LENGTH = 8


class CountingSimulator:
    """Solved after as many steps as the start's state says; remembers what it was asked for."""

    instruction = "pick up the black bowl from table center and place it on the plate"

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

    def render(self, camera: str) -> NDArray[np.uint8]:
        self.calls.append(f"render {camera} {self.taken}")
        return self._frame()

    def close(self) -> None:
        self.closed = True

    def _frame(self) -> NDArray[np.uint8]:
        """As rendered, that is upside-down: the row that is white when upright is the last one here."""
        frame = np.full((64, 64, 3), 3 * min(self.taken, 60), np.uint8)
        frame[-1] = 255
        return frame


class CountingPolicy:
    """Chunks whose first number counts them; each took 3 rounds and accepted 6 of 8 drafted tokens of layer 0."""

    def __init__(self, decoder: str = "speculative_greedy") -> None:
        self.decoder = decoder
        self.chunks = 0

    def act(self, observation: Observation) -> PolicyOutput:
        actions = np.zeros((CHUNK_LENGTH, 7), np.float32)
        actions[:, 0] = np.arange(CHUNK_LENGTH) / 10 + self.chunks
        self.chunks += 1
        return PolicyOutput(actions, 3, np.array([6, 2, 0]), np.array([8, 8, 0]), 0.01)

    def stage_functions(self, observation: Observation) -> dict[str, Callable[[], object]]:
        names = ("preprocess", "backbone", "decoder", "detokenize", "chunk", "draft_pass", "verify_pass", "step_pass")
        return {name: lambda: np.zeros(1) for name in names}


class CountingBenchmark:
    """Two tasks of four episodes; episode k is solved after 10 + 10 k steps, and the limit is 25: 0 and 1 succeed."""

    simulator = "counting"
    suite = "counting_suite"
    tasks = ("first_task", "second_task")
    step_limit = 25
    episodes_per_task = 4

    def __init__(self, make_simulator: Callable[[], CountingSimulator] = CountingSimulator) -> None:
        self.make_simulator = make_simulator
        self.built: list[CountingSimulator] = []

    def build(self, task_index: int) -> CountingSimulator:
        self.built.append(self.make_simulator())
        return self.built[-1]

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        return start_solved_after(10 + 10 * episode)

    def check(self, task_indices: tuple[int, ...]) -> None:
        pass


def start_solved_after(steps: int) -> EpisodeStart:
    """A start from which the task is solved by the action of that number."""
    return EpisodeStart(np.array([steps], np.float64), {})
