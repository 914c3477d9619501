"""The evaluation: every planned episode once, by many workers and one policy, logged as soon as it is over.

A crash is an error and is run again; it is never a failure of the policy. Results depend neither on the number of
workers, nor on the order in which they ask, nor on how often the evaluation was stopped: an episode starts from its
own state with its own fixture poses in a scene that remembers nothing, and its questions always go to the same row of
the policy's batch, which depends on no other row.
"""

import datetime
import functools
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval_bridge.evaluation.episode_log import (
    EpisodeLog,
    EpisodeRecord,
    ErrorRecord,
    LatencyRecord,
    SessionRecord,
    SpeedRecord,
)
from eval_bridge.evaluation.plan import Benchmark, EpisodeId, EvaluationPlan
from eval_bridge.evaluation.summary import Summary, summarise
from eval_bridge.evaluation.worker import (
    EpisodeOutcome,
    EpisodeWorker,
    FilesNotWritten,
    ObserveStart,
    PolicyQuestion,
    Prepare,
    RunEpisode,
)
from eval_bridge.observations import Observation
from eval_bridge.policies.interface import Policy, PolicyRequest
from eval_bridge.policies.latency import measure_stages
from eval_bridge.policies.observation_needs import blank_observation
from eval_bridge.policies.random_streams import episode_key
from eval_bridge.provenance import package_versions
from eval_bridge.simulators.check_result import CheckResult, require_passed
from eval_bridge.workers.messages import Failure, Question, Result
from eval_bridge.workers.pool import SILENCE_LIMIT, WorkerPool
from eval_bridge.workers.scheduling import SceneAssignment
from rsd_jax.provenance import device_name, git_commit

_LOGGER = logging.getLogger(__name__)


class EvaluationStopped(RuntimeError):
    """The evaluation cannot go on: its scenes cannot be built. Episodes that have a result are kept."""


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

    Ends early when an episode has crashed `plan.max_attempts` times; the summary's `errors` is then above 0.

    Args:
        make_benchmark: gives tasks and starts, here and in every worker; picklable.
        policy: what acts.
        plan: from `plan_evaluation`.
        log: open; traces and videos go to folders beside it.
        on_record: told of every episode and every crash, for progress.
        workers: who runs the episodes; by default one worker.

    Raises:
        SelfCheckFailed: the simulator is not the one that the results would be about.
        EvaluationStopped: a scene could not be built.
        OSError: the log, a trace or a video could not be written.
    """
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
            session = _Session(make_benchmark(), pool, policy, plan, log, on_record)
            completed = session.run(pending)
            if completed and needs_latency:
                session.measure_latency()
    return summarise(log.contents.restricted_to(plan.episodes), planned=len(plan.episodes))


class _Session:
    """One pool of workers, from the check of the simulator to the last episode."""

    def __init__(
        self,
        benchmark: Benchmark,
        pool: WorkerPool,
        policy: Policy,
        plan: EvaluationPlan,
        log: EpisodeLog,
        on_record: Callable[[EpisodeRecord | ErrorRecord], None],
    ) -> None:
        self._benchmark, self._pool, self._policy = benchmark, pool, policy
        self._plan, self._log, self._on_record = plan, log, on_record
        self._scenes = SceneAssignment[int]()
        self._checked_tasks: set[int] = set()
        self._states: dict[int, Any] = {}  # of the policy, by the worker whose episode it belongs to

    def run(self, episodes: Sequence[EpisodeId]) -> bool:
        """Runs `episodes`; returns whether all of them have a result."""
        if not episodes:
            return True
        pending: dict[int, deque[EpisodeId]] = {}
        for episode in episodes:
            pending.setdefault(episode.task_index, deque()).append(episode)
        self._prepare({task: len(waiting) for task, waiting in pending.items()})
        began, steps, left = time.perf_counter(), 0, len(episodes)
        attempts: Counter[Any] = Counter()
        questions: dict[int, PolicyQuestion] = {}  # by worker
        while left:
            self._hand_out(pending)
            for event in self._pool.events(timeout=0.0 if questions else 1.0):
                match event:
                    case Question(worker, _, question):
                        questions[worker] = question
                    case Result(_, Prepare() as job, checks):
                        self._accept(job, checks)
                    case Result(_, _, FilesNotWritten() as failure):
                        raise OSError(*failure)
                    case Result(_, job, outcome):
                        self._record(job.episode, outcome)
                        left, steps = left - 1, steps + outcome.rollout.steps
                    case Failure(worker, job):
                        questions.pop(worker, None)
                        self._scenes.forget(worker)
                        attempts[job] += 1
                        if isinstance(job, Prepare):
                            self._require_another_attempt(event, attempts[job])
                            continue
                        self._record_crash(event, attempts[job])
                        if attempts[job] >= self._plan.max_attempts:
                            return False
                        pending[job.task_index].appendleft(job.episode)
            if questions:
                self._answer(questions)
        seconds = round(time.perf_counter() - began, 3)
        self._log.append(SpeedRecord(device_name(), len(self._pool), len(episodes), steps, seconds))
        return True

    def measure_latency(self) -> None:
        """Times the policy on the start of the last planned episode, a real observation."""
        jobs = {0: ObserveStart(self._plan.episodes[-1])}
        self._submit(jobs)
        observation: Observation = self._results_of(jobs)[0]
        stages = measure_stages(self._policy.stage_functions(observation), self._plan.latency_repeats)
        self._log.append(LatencyRecord(device_name(), self._plan.latency_repeats, stages))

    # --- before an episode

    def _prepare(self, pending: Mapping[int, int]) -> None:
        """Gives workers their first scene, checks tasks and installation in them, and compiles the policy meanwhile.

        Every worker checks the installation, its own renderer included. Where there are more tasks than workers, the
        others are checked when a worker takes them up.
        """
        jobs: dict[int, Prepare] = {}
        for worker in range(len(self._pool)):
            task = self._scenes.assign(worker, pending)
            if task is None:
                break
            jobs[worker] = Prepare(task, with_installation=True)
        self._submit(jobs)
        self._compile_policy()
        for worker, checks in self._results_of(jobs).items():
            self._accept(jobs[worker], checks)

    def _accept(self, job: Prepare, checks: list[CheckResult]) -> None:
        """Notes that a task may run; raises `SelfCheckFailed` if a check failed."""
        require_passed(checks)
        self._checked_tasks.add(job.task_index)

    def _compile_policy(self) -> None:
        """Calls the policy once, so that no episode's time has compilation in it."""
        seen = blank_observation(self._policy.observation_needs, "compile")
        self._policy.act_batch({0: PolicyRequest(seen, episode_key(0, 0, 0))})

    def _submit(self, jobs: Mapping[int, Any]) -> None:
        for worker, job in jobs.items():
            self._pool.submit(worker, job)

    def _results_of(self, jobs: Mapping[int, Any]) -> dict[int, Any]:
        """Waits for submitted jobs that ask nothing, by worker; what crashes is tried again."""
        results: dict[int, Any] = {}
        attempts: Counter[int] = Counter()
        while len(results) < len(jobs):
            for event in self._pool.events():
                match event:
                    case Result(worker, _, content):
                        results[worker] = content
                    case Failure(worker, job):
                        attempts[worker] += 1
                        self._require_another_attempt(event, attempts[worker])
                        self._pool.submit(worker, job)
        return results

    def _require_another_attempt(self, failure: Failure, attempt: int) -> None:
        """Raises `EvaluationStopped` where a job that is no episode has crashed too often."""
        _LOGGER.warning("%s crashed (attempt %d): %s", failure.job, attempt, failure.error)
        if attempt >= self._plan.max_attempts:
            raise EvaluationStopped(f"{failure.job} crashed {attempt} times: {failure.error}\n{failure.traceback}")

    # --- episodes

    def _hand_out(self, pending: Mapping[int, deque[EpisodeId]]) -> None:
        """Gives idle workers episodes, as far as there is something for them to do; checks come before them."""
        counts = {task: len(episodes) for task, episodes in pending.items() if episodes}
        for worker in self._pool.idle if counts else ():
            task = self._scenes.assign(worker, counts)
            if task is None:
                continue
            if task not in self._checked_tasks:
                self._pool.submit(worker, Prepare(task, with_installation=False))
                continue
            episode = pending[task].popleft()
            counts = {task: len(episodes) for task, episodes in pending.items() if episodes}
            key = episode_key(self._plan.seed, *episode)
            self._pool.submit(worker, RunEpisode(episode, self._row(episode), key, self._plan.stride_of(episode)))

    def _row(self, episode: EpisodeId) -> int:
        """The row of the policy's batch that answers an episode's questions, whoever runs it and whatever else runs.

        A matrix product may add up in another order at another place of the batch.
        """
        number = episode.task_index * self._benchmark.episodes_per_task + episode.episode
        return number % self._policy.batch_size

    def _answer(self, waiting: dict[int, PolicyQuestion]) -> None:
        """Answers what has been asked, by one call; of questions for the same row only the first."""
        chosen: dict[int, int] = {}  # row -> worker
        for worker, question in waiting.items():
            chosen.setdefault(question.row, worker)
        requests = {row: self._request(worker, waiting[worker]) for row, worker in chosen.items()}
        answers = self._policy.act_batch(requests)
        for row, worker in chosen.items():
            del waiting[worker]
            self._states[worker] = answers[row].state
            self._pool.answer(worker, answers[row].output)

    def _request(self, worker: int, question: PolicyQuestion) -> PolicyRequest:
        """What a worker's episode asks, with the state that its last answer left; a new episode has none."""
        state = self._states.get(worker) if question.call else None
        return PolicyRequest(question.observation, question.key, question.call, state)

    def _record(self, episode: EpisodeId, outcome: EpisodeOutcome) -> None:
        rollout = outcome.rollout
        record = EpisodeRecord(
            suite=self._benchmark.suite,
            task=self._benchmark.tasks[episode.task_index],
            task_index=episode.task_index,
            episode=episode.episode,
            seed=self._plan.seed,
            decoder=self._policy.decoder,
            success=rollout.success,
            steps=rollout.steps,
            seconds=round(rollout.seconds, 4),
            chunks=len(rollout.rounds),
            rounds=rollout.rounds,
            chunk_seconds=tuple(round(seconds, 6) for seconds in rollout.chunk_seconds),
            acceptance=rollout.acceptance,
            actions=rollout.actions,
            trace=outcome.trace,
            video=outcome.video,
        )
        self._log.append(record)
        self._on_record(record)

    def _record_crash(self, failure: Failure, attempt: int) -> None:
        # Whatever a simulator or a driver raises says nothing about the policy: it is logged, the episode run again.
        task = self._benchmark.tasks[failure.job.task_index]
        crash = ErrorRecord(
            self._benchmark.suite,
            task,
            failure.job.task_index,
            failure.job.episode.episode,
            attempt,
            failure.error,
            failure.traceback,
        )
        self._log.append(crash)
        self._on_record(crash)
