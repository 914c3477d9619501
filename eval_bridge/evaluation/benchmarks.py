"""The benchmarks that policies are evaluated on: LIBERO's suites, and the point mass that stands in for them."""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from eval_bridge.evaluation.plan import Benchmark
from eval_bridge.simulators import point_mass
from eval_bridge.simulators.check_result import CheckResult
from eval_bridge.simulators.interface import EpisodeStart, Simulator
from eval_bridge.simulators.libero.layout.settings import DEVELOPMENT_LAYOUTS
from eval_bridge.simulators.libero.looks.settings import DEVELOPMENT_LOOKS
from eval_bridge.simulators.libero.suites import EVALUATION_EPISODES, get_suite
from eval_bridge.simulators.start_seeds import FIRST_DEVELOPMENT_SEED, FIRST_LAYOUT_SEED, FIRST_LOOKS_SEED

_SEEDS_PER_TASK = 1_000
_LAYOUTS_TRIED = 5  # seeds for an episode


class LiberoBenchmark:
    """A LIBERO suite by OpenVLA-OFT's protocol: its 50 evaluation states a task, and its step limits."""

    simulator = "libero"
    episodes_per_task = EVALUATION_EPISODES
    _checked_starts = 3

    def __init__(self, suite: str) -> None:
        """Raises `UnknownName` if there is no such suite; imports no simulator yet."""
        found = get_suite(suite)
        self.suite = found.name
        self.tasks = found.tasks
        self.step_limit = found.max_steps
        self._starts = cache(self._load_starts)

    def build(self, task_index: int) -> Simulator:
        """The simulator of a task. LIBERO is imported here, not before."""
        from eval_bridge.simulators.libero.environment import LiberoSimulator

        return LiberoSimulator(self.suite, task_index)

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        """The evaluation state of that index, with the fixture poses that belong to it."""
        return self._starts(task_index)[episode]

    def check(self, simulator: Simulator, task_index: int, with_installation: bool) -> list[CheckResult]:
        """Checks the simulator on the first start, and on the next ones if it fails there: one quiet start is enough.

        LIBERO's random resets now and then put two objects into each other, which then fly apart. The evaluation
        states are such resets too, and the first one of a task may be a bad draw in a right installation.
        """
        from eval_bridge.simulators.libero.environment import LiberoSimulator
        from eval_bridge.simulators.libero.self_check import check_simulator

        assert isinstance(simulator, LiberoSimulator)
        for episode in range(self._checked_starts):
            start = self.start(simulator, task_index, episode)
            results = check_simulator(simulator, start, with_installation=with_installation)
            if all(result.passed for result in results):
                break
        return results

    def _load_starts(self, task_index: int) -> list[EpisodeStart]:
        from eval_bridge.simulators.libero.evaluation_states import evaluation_starts

        return evaluation_starts(self.suite, task_index)


class LiberoDevelopment(LiberoBenchmark):
    """The same from random resets: where anything is chosen, since nothing may be on the evaluation states."""

    simulator = "libero_development"
    episodes_per_task = _SEEDS_PER_TASK

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        """A random reset of the task, from a seed that no demonstration has."""
        return simulator.draw_start(FIRST_DEVELOPMENT_SEED + _SEEDS_PER_TASK * task_index + episode)


class LiberoLayouts(LiberoDevelopment):
    """The same in layouts of our own: where a policy is chosen that must not go by where things usually are.

    They are drawn as demonstrations are (`configs/demos.py:layouts`), every episode in one, from seeds of their own.
    """

    simulator = "libero_layouts"

    def build(self, task_index: int) -> Simulator:
        """The simulator of a task, whose scene has strangers, stand-ins and sizes of its own."""
        from eval_bridge.simulators.libero.environment import LiberoSimulator
        from eval_bridge.simulators.libero.scene_changes import choose_changes

        task = self.tasks[task_index]
        changes = choose_changes(self.suite, task, DEVELOPMENT_LAYOUTS, DEVELOPMENT_LOOKS, FIRST_LAYOUT_SEED)
        return LiberoSimulator(self.suite, task, changes)

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        """A random layout of the task; where none was found for a seed, that of the next one.

        Raises:
            RuntimeError: none was found for many seeds one after another.
        """
        from eval_bridge.simulators.libero.environment import LiberoSimulator
        from eval_bridge.simulators.libero.layout.starting import draw_start_in_layout

        assert isinstance(simulator, LiberoSimulator)
        first = FIRST_LAYOUT_SEED + _LAYOUTS_TRIED * (_SEEDS_PER_TASK * task_index + episode)
        for seed in range(first, first + _LAYOUTS_TRIED):
            start, _ = draw_start_in_layout(simulator, seed, DEVELOPMENT_LAYOUTS)
            if start is not None:
                return start
        raise RuntimeError(f"{self.tasks[task_index]}: {_LAYOUTS_TRIED} seeds from {first} on gave no layout")


class LiberoLooks(LiberoDevelopment):
    """The same with looks of our own, drawn as those of demonstrations are, every episode with some."""

    simulator = "libero_looks"

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        """A random reset of the task that looks in a way of its own."""
        from eval_bridge.simulators.libero.environment import LiberoSimulator
        from eval_bridge.simulators.libero.looks.drawing import add_looks

        assert isinstance(simulator, LiberoSimulator)
        seed = FIRST_LOOKS_SEED + _SEEDS_PER_TASK * task_index + episode
        return add_looks(simulator, simulator.draw_start(seed), seed, DEVELOPMENT_LOOKS)


class PointMassBenchmark:
    """One task without physics worth the name: seconds instead of minutes, to try the evaluation itself."""

    simulator = "point_mass"
    suite = "point_mass"
    tasks: tuple[str, ...] = (point_mass.INSTRUCTION.replace(" ", "_"),)
    step_limit = point_mass.MAX_STEPS
    episodes_per_task = EVALUATION_EPISODES

    def build(self, task_index: int) -> Simulator:
        """The simulator."""
        return point_mass.PointMassSimulator()

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        """A start of its own for every episode."""
        return simulator.draw_start(FIRST_DEVELOPMENT_SEED + episode)

    def check(self, simulator: Simulator, task_index: int, with_installation: bool) -> list[CheckResult]:
        """Nothing is installed that could be wrong."""
        return []


_BENCHMARKS: Mapping[str, Callable[[str], Benchmark]] = MappingProxyType(
    {
        "libero": LiberoBenchmark,
        "libero_development": LiberoDevelopment,
        "libero_layouts": LiberoLayouts,
        "libero_looks": LiberoLooks,
        "point_mass": lambda suite: PointMassBenchmark(),
    }
)


def get_benchmark(simulator: str, suite: str) -> Benchmark:
    """The benchmark of a simulator; the point mass has one suite, and `suite` does not matter there.

    Raises:
        ValueError: no such simulator or suite.
    """
    if simulator not in _BENCHMARKS:
        raise ValueError(f"simulator={simulator!r} does not exist; choose one of {', '.join(_BENCHMARKS)}.")
    return _BENCHMARKS[simulator](suite)
