"""What an evaluation's workers do besides episodes: they build scenes, check them, and show what a policy will see.

Such a job says nothing about the policy. It may crash as often as an episode may; then the evaluation cannot go on.
"""

import logging
from collections.abc import Mapping

from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.worker import EvaluationJob, EvaluationResult, ObserveStart, Prepare
from eval_bridge.observations import Observation
from eval_bridge.simulators.check_result import require_passed
from eval_bridge.simulators.perturbation.cases import EpisodePerturbation
from eval_bridge.workers.messages import Failure
from eval_bridge.workers.scheduling import SceneAssignment

_LOGGER = logging.getLogger(__name__)


class EvaluationStopped(RuntimeError):
    """The evaluation cannot go on: its scenes cannot be built. Episodes that have a result are kept."""


class Preparation:
    """Every worker's first scene, and the checks in it and of its installation (implements `JobSource`).

    Where there are more tasks than workers, the others are checked when a worker takes them up (`scene_check`).
    """

    def __init__(self, pending: Mapping[int, int], max_attempts: int) -> None:
        """Nothing is checked yet.

        Args:
            pending: number of episodes to run, by task.
            max_attempts: how often a job may crash.
        """
        self._pending, self._max_attempts = pending, max_attempts
        self._ready_workers: set[int] = set()
        self._checked_tasks: set[int] = set()

    def next_job(self, worker: int, scenes: SceneAssignment[int]) -> Prepare | None:
        """The worker's first scene, until it is there."""
        task = None if worker in self._ready_workers else scenes.assign(worker, self._pending)
        return None if task is None else Prepare(task, installation_of=worker)

    def scene_check(self, task_index: int) -> Prepare | None:
        """What has to come before episodes of a task, if anything."""
        return None if task_index in self._checked_tasks else Prepare(task_index)

    def done(self, job: EvaluationJob, result: EvaluationResult) -> None:
        """Notes that a task may run.

        Raises:
            SelfCheckFailed: a check failed.
        """
        assert isinstance(job, Prepare)
        assert isinstance(result, list)
        require_passed(result)
        self._checked_tasks.add(job.task_index)
        if job.installation_of is not None:
            self._ready_workers.add(job.installation_of)

    def failed(self, failure: Failure[EvaluationJob], times: int) -> None:
        """The scene is asked for again, or else: `require_another_attempt`."""
        require_another_attempt(failure, times, self._max_attempts)


class StartObservation:
    """What a policy sees at the start of an episode (implements `JobSource`)."""

    def __init__(self, episode: EpisodeId, max_attempts: int, perturbation: EpisodePerturbation | None) -> None:
        """Of `episode`, perturbed as it is; whoever is idle looks."""
        self._waiting: list[EvaluationJob] = [ObserveStart(episode, perturbation)]
        self._max_attempts = max_attempts
        self.observation: Observation | None = None

    def next_job(self, worker: int, scenes: SceneAssignment[int]) -> EvaluationJob | None:
        """The only job, if nobody has it."""
        return self._waiting.pop() if self._waiting else None

    def done(self, job: EvaluationJob, result: EvaluationResult) -> None:
        """Keeps what was seen."""
        assert isinstance(result, Observation)
        self.observation = result

    def failed(self, failure: Failure[EvaluationJob], times: int) -> None:
        """Another look, or else: `require_another_attempt`."""
        require_another_attempt(failure, times, self._max_attempts)
        self._waiting.append(failure.job)


def require_another_attempt(failure: Failure[EvaluationJob], times: int, max_attempts: int) -> None:
    """Tells of a job that is no episode and crashed for the so many-th time.

    Raises:
        EvaluationStopped: it may not crash once more.
    """
    _LOGGER.warning("%s crashed (attempt %d): %s", failure.job, times, failure.error)
    if times >= max_attempts:
        raise EvaluationStopped(f"{failure.job} crashed {times} times: {failure.error}\n{failure.traceback}")
