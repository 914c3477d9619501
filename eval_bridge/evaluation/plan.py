"""Which episodes an evaluation consists of, and what it asks of a benchmark."""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from eval_bridge.episodes.execution.blocking import BLOCKING
from eval_bridge.episodes.execution.interface import Execution
from eval_bridge.evaluation.delays import Delay
from eval_bridge.simulators.check_result import CheckResult
from eval_bridge.simulators.interface import EpisodeStart, Simulator
from eval_bridge.simulators.perturbation.cases import EpisodePerturbation, draw_perturbation
from eval_bridge.simulators.perturbation.choice import Perturbation
from eval_bridge.workers.shard import WHOLE, Shard


class EpisodeId(NamedTuple):
    """Which episode: index of the task in its suite, and index of its start."""

    task_index: int
    episode: int


class Benchmark(Protocol):
    """A suite of tasks in one simulator, with the starts that every policy is evaluated from.

    Attributes:
        simulator: name of the simulator. suite: name of the suite. tasks: names of its tasks, by index.
        step_limit: actions after which an unsolved episode has failed.
        episodes_per_task: how many starts a task has.
    """

    simulator: str
    suite: str
    tasks: tuple[str, ...]
    step_limit: int
    episodes_per_task: int

    def build(self, task_index: int) -> Simulator:
        """Builds the simulator of a task."""
        ...

    def start(self, simulator: Simulator, task_index: int, episode: int) -> EpisodeStart:
        """Start of an episode, the same whenever it is asked for; `simulator` is the one that `build` gave."""
        ...

    def check(self, simulator: Simulator, task_index: int, with_installation: bool) -> list[CheckResult]:
        """Measures whether the simulator that `build` gave is as it should be, and what all tasks share if asked."""
        ...


@dataclass(frozen=True)
class EvaluationPlan:
    """Which episodes to run, and what to keep of them.

    Attributes:
        task_indices: tasks, in order. episodes_per_task: of each, so many from `first_episode` on.
        seed: recorded with every episode.
        max_attempts: how often an episode may crash before the evaluation ends with an error.
        videos_per_task: the first so many episodes of a task are filmed. video_stride: steps between video frames.
        latency_repeats: timed calls a stage; 0 leaves latency out.
        shard: the part of the episodes that this host runs.
        execution: how chunks are executed.
        delay: how long the policy's calls take; None where the clock stands still.
        perturbation: of camera, robot or frames; None for none.
    """

    task_indices: tuple[int, ...]
    episodes_per_task: int
    seed: int
    first_episode: int = 0
    max_attempts: int = 3
    videos_per_task: int = 0
    video_stride: int = 4
    latency_repeats: int = 100
    shard: Shard = WHOLE
    execution: Execution = BLOCKING
    delay: Delay | None = None
    perturbation: Perturbation | None = None

    @property
    def episodes(self) -> tuple[EpisodeId, ...]:
        """Every planned episode of this shard, task by task, so that a shard needs as few scenes as possible."""
        numbers = range(self.first_episode, self.first_episode + self.episodes_per_task)
        every = [EpisodeId(task, number) for task in self.task_indices for number in numbers]
        return tuple(self.shard.of(every))

    def stride_of(self, episode: EpisodeId) -> int | None:
        """Steps between the frames of the episode's video, or None if it is not filmed."""
        return self.video_stride if episode.episode - self.first_episode < self.videos_per_task else None

    def perturbation_of(self, benchmark: Benchmark, episode: EpisodeId) -> EpisodePerturbation | None:
        """How an episode is perturbed, the same whoever runs it; None where nothing is.

        Raises:
            ValueError: the benchmark or the task has no such case.
        """
        if self.perturbation is None:
            return None
        task = benchmark.tasks[episode.task_index]
        return draw_perturbation(self.perturbation, benchmark.suite, task, self.seed, *episode)


def plan_evaluation(benchmark: Benchmark, plan: EvaluationPlan) -> EvaluationPlan:
    """Returns `plan` with no tasks replaced by all tasks, if `benchmark` can serve it.

    Raises:
        ValueError: a task or an episode does not exist, a task is named twice, a number is out of range, or a task
            cannot be perturbed so.
    """
    count = len(benchmark.tasks)
    indices = plan.task_indices or tuple(range(count))
    unknown = [index for index in indices if not (isinstance(index, int) and 0 <= index < count)]
    if unknown:
        raise ValueError(f"tasks={unknown} do not exist; {benchmark.suite} has the tasks 0 to {count - 1}, by number.")
    if len(set(indices)) != len(indices):
        raise ValueError(f"tasks={list(indices)} names a task twice; name each once.")
    if not 1 <= plan.episodes_per_task <= benchmark.episodes_per_task:
        raise ValueError(
            f"episodes_per_task={plan.episodes_per_task} must lie between 1 and {benchmark.episodes_per_task}, "
            f"the number of evaluation states of a task of {benchmark.suite}."
        )
    last = benchmark.episodes_per_task - plan.episodes_per_task
    if not 0 <= plan.first_episode <= last:
        raise ValueError(
            f"first_episode={plan.first_episode} must lie between 0 and {last}: a task of {benchmark.suite} has "
            f"{benchmark.episodes_per_task} starts, and episodes_per_task={plan.episodes_per_task} are asked for."
        )
    for name, minimum in (("max_attempts", 1), ("videos_per_task", 0), ("video_stride", 1), ("latency_repeats", 0)):
        if getattr(plan, name) < minimum:
            raise ValueError(f"{name}={getattr(plan, name)} must be at least {minimum}.")
    for index in indices:
        plan.perturbation_of(benchmark, EpisodeId(index, plan.first_episode))
    return dataclasses.replace(plan, task_indices=indices)
