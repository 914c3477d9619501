"""The evaluation: every planned episode once, logged as soon as it is over; a crash is an error and is run again."""

import datetime
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from eval_bridge.episode_log import EpisodeId, EpisodeLog, EpisodeRecord, ErrorRecord, LatencyRecord, SessionRecord
from eval_bridge.interface import Policy
from eval_bridge.latency import measure_stages
from eval_bridge.provenance import device_name, package_versions
from eval_bridge.rollout import Rollout, run_episode
from eval_bridge.simulators.interface import EpisodeStart, Simulator
from eval_bridge.summary import Summary, summarise
from eval_bridge.video import write_episode_video
from rsd_jax.checkpoints.metadata import git_commit

_LOGGER = logging.getLogger(__name__)

VIDEO_FOLDER = "videos"


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

    def check(self, task_indices: tuple[int, ...]) -> None:
        """Measures whether the simulator is as it should be for these tasks, and raises if not."""
        ...


@dataclass(frozen=True)
class EvaluationPlan:
    """Which episodes to run, and what to keep of them.

    Attributes:
        task_indices: tasks, in order. episodes_per_task: episodes 0 .. n-1 of each.
        seed: recorded with every episode.
        max_attempts: how often an episode may crash before the evaluation ends with an error.
        videos_per_task: the first so many episodes of a task are filmed. video_stride: steps between video frames.
        latency_repeats: timed calls a stage; 0 leaves latency out.
    """

    task_indices: tuple[int, ...]
    episodes_per_task: int
    seed: int
    max_attempts: int = 3
    videos_per_task: int = 0
    video_stride: int = 4
    latency_repeats: int = 100

    @property
    def episodes(self) -> tuple[EpisodeId, ...]:
        """Every planned episode, task by task."""
        return tuple(EpisodeId(task, k) for task in self.task_indices for k in range(self.episodes_per_task))


def plan_evaluation(benchmark: Benchmark, plan: EvaluationPlan) -> EvaluationPlan:
    """Returns `plan` with no tasks replaced by all tasks, if `benchmark` can serve it.

    Raises:
        ValueError: a task or an episode does not exist, a task is named twice, or a number is out of range.
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
    for name, minimum in (("max_attempts", 1), ("videos_per_task", 0), ("video_stride", 1), ("latency_repeats", 0)):
        if getattr(plan, name) < minimum:
            raise ValueError(f"{name}={getattr(plan, name)} must be at least {minimum}.")
    return EvaluationPlan(**vars(plan) | {"task_indices": indices})


def run_evaluation(
    benchmark: Benchmark,
    policy: Policy,
    plan: EvaluationPlan,
    log: EpisodeLog,
    on_record: Callable[[EpisodeRecord | ErrorRecord], None],
) -> Summary:
    """Runs the planned episodes that `log` does not hold yet, then measures latency if it was not measured yet.

    Ends early when an episode has crashed `plan.max_attempts` times; the summary's `errors` is then above 0.

    Args:
        benchmark: tasks and starts.
        policy: what acts.
        plan: from `plan_evaluation`.
        log: open; videos go to the folder ``videos`` beside it.
        on_record: told of every episode and every crash, for progress.

    Raises:
        OSError: the log or a video could not be written.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    log.append(SessionRecord(started, device_name(), git_commit(), package_versions()))
    with _task_simulators(benchmark) as simulators:
        pending = [episode for episode in plan.episodes if episode not in log.contents.episodes]
        completed = all(
            _run_until_result(benchmark, simulators, policy, plan, log, on_record, episode) for episode in pending
        )
        if completed and plan.latency_repeats and log.contents.latency is None:
            _measure_latency(benchmark, simulators, policy, plan, log)
    return summarise(log.contents.restricted_to(plan.episodes), planned=len(plan.episodes))


class _TaskSimulators:
    """At most one simulator at a time, built when its task is first needed."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._benchmark = benchmark
        self._task_index: int | None = None
        self._simulator: Simulator | None = None

    def of(self, task_index: int) -> Simulator:
        """The simulator of a task; closes that of any other task."""
        if self._simulator is None or self._task_index != task_index:
            self.close()
            self._simulator = self._benchmark.build(task_index)
            self._task_index = task_index
        return self._simulator

    def close(self) -> None:
        """Closes the open simulator, if any; the next use builds a fresh one."""
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.close()


@contextmanager
def _task_simulators(benchmark: Benchmark) -> Iterator[_TaskSimulators]:
    simulators = _TaskSimulators(benchmark)
    try:
        yield simulators
    finally:
        simulators.close()


def _run_until_result(
    benchmark: Benchmark,
    simulators: _TaskSimulators,
    policy: Policy,
    plan: EvaluationPlan,
    log: EpisodeLog,
    on_record: Callable[[EpisodeRecord | ErrorRecord], None],
    episode: EpisodeId,
) -> bool:
    """Runs an episode until it has a result, at most `plan.max_attempts` times; returns whether it has one."""
    task = benchmark.tasks[episode.task_index]
    for attempt in range(1, plan.max_attempts + 1):
        film = episode.episode < plan.videos_per_task
        try:
            simulator = simulators.of(episode.task_index)
            start = benchmark.start(simulator, *episode)
            rollout = run_episode(simulator, policy, start, benchmark.step_limit, plan.video_stride if film else None)
            instruction = simulator.instruction
        # Whatever a simulator or a driver raises says nothing about the policy: it is logged, the episode run again.
        except Exception as error:  # noqa: BLE001
            crash = ErrorRecord(
                benchmark.suite, task, *episode, attempt, repr(error), "".join(traceback.format_exception(error))
            )
            log.append(crash)
            on_record(crash)
            _close_after_crash(simulators)
            continue
        video = None
        if film:
            folder = log.path.parent / VIDEO_FOLDER
            path = write_episode_video(folder, *episode, rollout.success, instruction, rollout.frames)
            video = f"{VIDEO_FOLDER}/{path.name}"
        record = _episode_record(benchmark, policy, plan, episode, rollout, video)
        log.append(record)
        on_record(record)
        return True
    return False


def _episode_record(
    benchmark: Benchmark, policy: Policy, plan: EvaluationPlan, episode: EpisodeId, rollout: Rollout, video: str | None
) -> EpisodeRecord:
    return EpisodeRecord(
        suite=benchmark.suite,
        task=benchmark.tasks[episode.task_index],
        task_index=episode.task_index,
        episode=episode.episode,
        seed=plan.seed,
        decoder=policy.decoder,
        success=rollout.success,
        steps=rollout.steps,
        seconds=round(rollout.seconds, 4),
        chunks=len(rollout.rounds),
        rounds=rollout.rounds,
        chunk_seconds=tuple(round(seconds, 6) for seconds in rollout.chunk_seconds),
        accepted=rollout.accepted,
        proposed=rollout.proposed,
        actions=rollout.actions,
        video=video,
    )


def _close_after_crash(simulators: _TaskSimulators) -> None:
    """Gives the next attempt a fresh simulator; a broken one may well fail to close, which changes nothing."""
    try:
        simulators.close()
    except Exception as error:  # noqa: BLE001 - drivers raise anything
        _LOGGER.warning("the crashed simulator could not be closed: %r", error)


def _measure_latency(
    benchmark: Benchmark, simulators: _TaskSimulators, policy: Policy, plan: EvaluationPlan, log: EpisodeLog
) -> None:
    """Times the policy on the first observation of the last planned episode, a real one."""
    last = plan.episodes[-1]
    simulator = simulators.of(last.task_index)
    simulator.begin(benchmark.start(simulator, *last))
    stages = measure_stages(policy.stage_functions(simulator.observe()), plan.latency_repeats)
    log.append(LatencyRecord(device_name(), plan.latency_repeats, stages))
