"""The evaluation: every planned episode once, by many workers and one policy, logged as soon as it is over.

A crash is an error and is run again; it is never a failure of the policy. Results depend neither on the number of
workers, nor on the order in which they ask, nor on how often the evaluation was stopped: an episode starts from its
own state with its own fixture poses in a scene that remembers nothing, and its questions always go to the same row of
the policy's batch, which depends on no other row.
"""

import datetime
import functools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eval_bridge.episodes.policy_desk import PolicyDesk, PolicyQuestion
from eval_bridge.evaluation.delays import PROFILE_CALLS, LatencyProfile, MeasuredDelay, write_profile
from eval_bridge.evaluation.episode_log import EpisodeLog
from eval_bridge.evaluation.plan import Benchmark, EpisodeId, EvaluationPlan
from eval_bridge.evaluation.preparation import Preparation, StartObservation
from eval_bridge.evaluation.records import EpisodeRecord, ErrorRecord, LatencyRecord, SessionRecord, SpeedRecord
from eval_bridge.evaluation.summary import Summary, summarise
from eval_bridge.evaluation.worker import (
    EpisodeOutcome,
    EpisodeWorker,
    EvaluationJob,
    EvaluationResult,
    FilesNotWritten,
    RunEpisode,
)
from eval_bridge.observations import Observation
from eval_bridge.policies.interface import FUSED_STAGE, Policy, PolicyOutput
from eval_bridge.policies.latency import measure_stages, time_calls
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.provenance import package_versions
from eval_bridge.workers.jobs import JobLoop
from eval_bridge.workers.messages import Failure
from eval_bridge.workers.pool import SILENCE_LIMIT, WorkerPool
from eval_bridge.workers.scheduling import SceneAssignment
from rsd_jax.provenance import device_name, git_commit
from rsd_jax.run_folder import PROFILE_NAME


class _EpisodeCrashed(Exception):
    """An episode has crashed as often as it may."""


@dataclass(frozen=True)
class WorkerSettings:
    """Who runs the episodes.

    Attributes:
        count: worker processes.
        silence_limit: seconds without a word after which a worker counts as hung and is replaced.
        environments: environment variables of the workers, in turn (`WorkerPool`).
    """

    count: int = 1
    silence_limit: float = SILENCE_LIMIT
    environments: Sequence[Mapping[str, str]] = ({},)


def run_evaluation(
    make_benchmark: Callable[[], Benchmark],
    policy: Policy,
    plan: EvaluationPlan,
    log: EpisodeLog,
    on_record: Callable[[EpisodeRecord | ErrorRecord], None],
    workers: WorkerSettings | None = None,
) -> Summary:
    """Checks the simulator, runs the planned episodes that `log` does not hold yet, and measures latency once.

    A latency profile that delays are drawn from stands in the log before the first episode: the one that is named, or
    the policy's own, measured once, so that an evaluation that goes on draws from the same.

    Ends early when an episode has crashed `plan.max_attempts` times; the summary's `errors` is then above 0.

    Args:
        make_benchmark: gives tasks and starts, here and in every worker; picklable.
        policy: what acts.
        plan: from `plan_evaluation`.
        log: open; traces and videos go to folders beside it.
        on_record: told of every episode and every crash, for progress.
        workers: who runs the episodes; by default one worker.

    Raises:
        ValueError: chunks are to be executed in a way that makes promises, and the policy takes none.
        SelfCheckFailed: the simulator is not the one that the results would be about.
        EvaluationStopped: a scene could not be built.
        OSError: the log, a trace or a video could not be written.
    """
    if plan.execution.promises and not getattr(policy, "takes_promises", False):
        raise ValueError(
            f"execution={plan.execution.name} tells the policy what is promised of the last chunk, and "
            f"{type(policy).__name__} takes no promise: give one that does, such as RealTimePolicy"
        )
    workers = workers or WorkerSettings()
    pending = [episode for episode in plan.episodes if episode not in log.contents.episodes]
    needs_latency = bool(plan.latency_repeats) and log.contents.latency is None
    if pending or needs_latency:
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        log.append(SessionRecord(started, device_name(), git_commit(), package_versions()))
        make_handler = functools.partial(EpisodeWorker, make_benchmark, log.path.parent, policy.observation_needs)
        count = min(workers.count, max(len(pending), 1))
        with WorkerPool(
            count, make_handler, silence_limit=workers.silence_limit, environments=workers.environments
        ) as pool:
            session = _Session(make_benchmark(), pool, policy, plan, log, on_record, pending)
            completed = session.run()
            if completed and needs_latency:
                session.measure_latency()
    return summarise(log.contents.restricted_to(plan.episodes), planned=len(plan.episodes))


class _Session:
    """One pool of workers, from the check of the simulator to the last episode (implements `JobSource`: episodes)."""

    def __init__(
        self,
        benchmark: Benchmark,
        pool: WorkerPool[EvaluationJob, EvaluationResult, PolicyQuestion, PolicyOutput],
        policy: Policy,
        plan: EvaluationPlan,
        log: EpisodeLog,
        on_record: Callable[[EpisodeRecord | ErrorRecord], None],
        episodes: Sequence[EpisodeId],
    ) -> None:
        """Of `episodes`, which have no result yet."""
        self._benchmark, self._pool, self._policy = benchmark, pool, policy
        self._plan, self._log, self._on_record = plan, log, on_record
        self._desk = PolicyDesk(policy, pool.answer)
        self._loop = JobLoop(pool, self._desk.serve)
        self._waiting: dict[int, deque[EpisodeId]] = {}
        for episode in episodes:
            self._waiting.setdefault(episode.task_index, deque()).append(episode)
        self._preparation = Preparation(self._pending(), plan.max_attempts)
        self._finished = self._steps = 0
        self._ended = 0.0  # time of the last result

    def run(self) -> bool:
        """Runs the episodes; returns whether all of them have a result."""
        if not self._waiting:
            return True
        self._loop.run(self._preparation, meanwhile=self._desk.compile_policy)
        self._note_profile()
        began = time.perf_counter()
        try:
            self._loop.run(self)
        except _EpisodeCrashed:
            return False
        seconds = round(self._ended - began, 3)
        self._log.append(SpeedRecord(device_name(), len(self._pool), self._finished, self._steps, seconds))
        return True

    def measure_latency(self) -> None:
        """Times the policy on the start of the last planned episode, a real observation."""
        seen = self._look_at(self._plan.episodes[-1])
        stages = measure_stages(self._policy.stage_functions(seen), self._plan.latency_repeats)
        self._log.append(LatencyRecord(device_name(), self._plan.latency_repeats, stages))

    def _note_profile(self) -> None:
        """Puts the profile that delays are drawn from into the log, if it is not there; its own also beside it."""
        delay = self._plan.delay
        if self._log.contents.profile is not None or not isinstance(delay, LatencyProfile | MeasuredDelay):
            return
        if isinstance(delay, MeasuredDelay):
            delay = self._measure_profile()
            write_profile(self._log.path.with_name(PROFILE_NAME), delay)
        self._log.append(delay)

    def _measure_profile(self) -> LatencyProfile:
        """That of the deployed call on the start of the first planned episode."""
        call = self._policy.stage_functions(self._look_at(self._plan.episodes[0]))[FUSED_STAGE]
        source = f"{self._policy.decoder} at batch 1 on {device_name()}, before the first episode"
        seconds = tuple(round(each, 6) for each in time_calls(call, PROFILE_CALLS))
        return LatencyProfile(MeasuredDelay.name, source, seconds)

    def _look_at(self, episode: EpisodeId) -> Observation:
        perturbation = self._plan.perturbation_of(self._benchmark, episode)
        start = StartObservation(episode, self._plan.max_attempts, perturbation)
        self._loop.run(start)
        assert start.observation is not None
        return start.observation

    # --- episodes

    def next_job(self, worker: int, scenes: SceneAssignment[int]) -> EvaluationJob | None:
        """An episode of the task whose scene the worker has, or should have; a check of a new task comes before."""
        task = scenes.assign(worker, self._pending())
        if task is None:
            return None
        if (check := self._preparation.scene_check(task)) is not None:
            return check
        episode = self._waiting[task].popleft()
        key = episode_key(self._plan.seed, *episode)
        stride, delays = self._plan.stride_of(episode), self._delays(episode)
        perturbation = self._plan.perturbation_of(self._benchmark, episode)
        return RunEpisode(episode, self._row(episode), key, stride, self._plan.execution, delays, perturbation)

    def done(self, job: EvaluationJob, result: EvaluationResult) -> None:
        """Logs an episode. A file that could not be written is the disk's trouble, and ends the evaluation."""
        match job, result:
            case RunEpisode() as run, EpisodeOutcome() as outcome:
                self._record(run, outcome)
                self._finished, self._steps = self._finished + 1, self._steps + outcome.rollout.steps
                self._ended = time.perf_counter()
            case RunEpisode(), FilesNotWritten() as trouble:
                raise OSError(*trouble)
            case _:
                self._preparation.done(job, result)

    def failed(self, failure: Failure[EvaluationJob], times: int) -> None:
        """Logs the crash of an episode, which is run again before others of its task, as long as it may."""
        if not isinstance(failure.job, RunEpisode):
            if any(self._waiting.values()):  # else the scene is needed no more
                self._preparation.failed(failure, times)
            return
        self._record_crash(failure, failure.job.episode, times)
        if times >= self._plan.max_attempts:
            raise _EpisodeCrashed
        self._waiting[failure.job.task_index].appendleft(failure.job.episode)

    def _delays(self, episode: EpisodeId) -> tuple[int, ...]:
        """Steps that the calls of an episode take, of which there is one a step at most."""
        delay = self._plan.delay
        if delay is None:
            return ()
        drawn = self._log.contents.profile if isinstance(delay, MeasuredDelay) else delay
        assert drawn is not None, "a profile is measured before the first episode"
        return drawn.draw(self._plan.seed, *episode, calls=self._benchmark.step_limit)

    def _pending(self) -> dict[int, int]:
        return {task: len(episodes) for task, episodes in self._waiting.items()}

    # --- the policy

    def _row(self, episode: EpisodeId) -> int:
        """The row of the policy's batch that answers an episode's questions, whoever runs it and whatever else runs.

        A matrix product may add up in another order at another place of the batch.
        """
        number = episode.task_index * self._benchmark.episodes_per_task + episode.episode
        return number % self._policy.batch_size

    # --- the log

    def _record(self, run: RunEpisode, outcome: EpisodeOutcome) -> None:
        episode = run.episode
        record = EpisodeRecord(
            suite=self._benchmark.suite,
            task=self._benchmark.tasks[episode.task_index],
            task_index=episode.task_index,
            episode=episode.episode,
            seed=self._plan.seed,
            decoder=self._policy.decoder,
            rollout=outcome.rollout,
            trace=outcome.trace,
            video=outcome.video,
            case=run.perturbation and run.perturbation.case,
        )
        self._log.append(record)
        self._on_record(record)

    def _record_crash(self, failure: Failure[EvaluationJob], episode: EpisodeId, attempt: int) -> None:
        # Whatever a simulator or a driver raises says nothing about the policy: it is logged, the episode run again.
        crash = ErrorRecord(
            self._benchmark.suite,
            self._benchmark.tasks[episode.task_index],
            episode.task_index,
            episode.episode,
            attempt,
            failure.error,
            failure.traceback,
        )
        self._log.append(crash)
        self._on_record(crash)
