"""The one scene that a worker has in memory."""

from collections.abc import Callable
from typing import Generic, TypeVar

from eval_bridge.simulators.interface import Simulator

SimulatorT = TypeVar("SimulatorT", bound=Simulator)


class KeptSimulator(Generic[SimulatorT]):
    """The simulator of the task that was last asked for, built when it is."""

    def __init__(self, build: Callable[[int], SimulatorT]) -> None:
        """`build` makes the simulator of a task, given its index."""
        self._build = build
        self._task_index: int | None = None
        self._simulator: SimulatorT | None = None

    def of(self, task_index: int) -> SimulatorT:
        """The simulator of a task; that of any other task is closed first."""
        if self._simulator is None or self._task_index != task_index:
            self.close()
            self._simulator, self._task_index = self._build(task_index), task_index
        return self._simulator

    def close(self) -> None:
        """Closes the simulator, if there is one; the next use builds a fresh one."""
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.close()
