"""What an evaluation's worker does: builds the scenes it is asked for, checks them, and runs episodes in them.

The policy is the owner's. A worker sends it observations and waits for chunks, so that one compiled policy serves all
workers, and no worker needs an accelerator or JAX.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, assert_never

from eval_bridge.episodes.execution.interface import Execution
from eval_bridge.episodes.policy_desk import AskPolicy, OwnersPolicy
from eval_bridge.episodes.rollout import Rollout, run_episode
from eval_bridge.episodes.shadow import save_shadow
from eval_bridge.episodes.trace import save_trace, trace_name
from eval_bridge.episodes.video import write_episode_video
from eval_bridge.evaluation.plan import Benchmark, EpisodeId
from eval_bridge.observations import Observation
from eval_bridge.policies.random_streams import EpisodeKey
from eval_bridge.simulators.check_result import CheckResult
from eval_bridge.simulators.kept_simulator import KeptSimulator
from eval_bridge.simulators.perturbation.cases import EpisodePerturbation
from eval_bridge.simulators.perturbation.perturbed_simulator import perturbed
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.run_folder import SHADOW_FOLDER, TRACE_FOLDER, VIDEO_FOLDER


@dataclass(frozen=True)
class Prepare:
    """Build the scene of a task and check it. The result is a list of `CheckResult`.

    Attributes:
        task_index: whose scene.
        installation_of: the worker that does it, if its installation, renderer included, is to be checked too.
    """

    task_index: int
    installation_of: int | None = None


@dataclass(frozen=True)
class RunEpisode:
    """Run an episode. The result is an `EpisodeOutcome`, or `FilesNotWritten`.

    Attributes:
        episode: which one.
        row: its row in the policy's batches.
        key: its random key (`eval_bridge.policies.random_streams`).
        video_stride: steps between the frames of its video; None films nothing.
        execution: how its chunks are executed. delays: steps that its calls take, as many as there can be.
        perturbation: how it is perturbed; None where nothing is.
    """

    episode: EpisodeId
    row: int
    key: EpisodeKey
    video_stride: int | None
    execution: Execution
    delays: tuple[int, ...]
    perturbation: EpisodePerturbation | None = None

    @property
    def task_index(self) -> int:
        """Whose scene it needs."""
        return self.episode.task_index


@dataclass(frozen=True)
class ObserveStart:
    """Look at the start of an episode, perturbed as it is. The result is an `Observation`."""

    episode: EpisodeId
    perturbation: EpisodePerturbation | None = None


EvaluationJob = Prepare | RunEpisode | ObserveStart


class EpisodeOutcome(NamedTuple):
    """A finished episode: what happened, and its trace and video as files relative to the evaluation's folder."""

    rollout: Rollout
    trace: str
    video: str | None


class FilesNotWritten(NamedTuple):
    """An episode whose trace or video could not be written: the disk's trouble, not the episode's."""

    error_number: int
    reason: str
    path: str


EvaluationResult = list[CheckResult] | EpisodeOutcome | FilesNotWritten | Observation


class EpisodeWorker:
    """Handler of an `EvaluationJob`; keeps the scene of the task it was last asked for."""

    def __init__(self, make_benchmark: Callable[[], Benchmark], folder: Path, needs: ObservationNeeds) -> None:
        """Builds nothing yet; traces and videos go to `folder`, and the policy is sent what it `needs`."""
        self._benchmark = make_benchmark()
        self._folder, self._needs = folder, needs
        self._simulators = KeptSimulator(self._benchmark.build)

    def run(self, job: EvaluationJob, ask: AskPolicy) -> EvaluationResult:
        """Does one job."""
        match job:
            case Prepare(task_index, installation_of):
                with_installation = installation_of is not None
                return self._benchmark.check(self._simulators.of(task_index), task_index, with_installation)
            case RunEpisode():
                return self._run_episode(job, ask)
            case ObserveStart(episode, perturbation):
                unperturbed = self._simulators.of(episode.task_index)
                simulator = perturbed(unperturbed, perturbation)
                simulator.begin(self._benchmark.start(unperturbed, *episode))
                return simulator.observe()
            case _:
                assert_never(job)

    def close(self) -> None:
        """Closes the scene, if any."""
        self._simulators.close()

    def _run_episode(self, job: RunEpisode, ask: AskPolicy) -> EpisodeOutcome | FilesNotWritten:
        benchmark, unperturbed = self._benchmark, self._simulators.of(job.task_index)
        start = benchmark.start(unperturbed, *job.episode)
        simulator = perturbed(unperturbed, job.perturbation)
        policy = OwnersPolicy(ask, job.row, job.key, self._needs)
        execution = job.execution.begin(job.delays)
        rollout, recording = run_episode(simulator, policy, start, benchmark.step_limit, job.video_stride, execution)
        video = None
        try:
            name = trace_name(*job.episode)
            trace = save_trace(self._folder / TRACE_FOLDER / name, recording.trace)
            if recording.shadow is not None:
                save_shadow(self._folder / SHADOW_FOLDER / name, recording.shadow)
            if job.video_stride is not None:
                path = write_episode_video(
                    self._folder / VIDEO_FOLDER, *job.episode, rollout.success, simulator.instruction, recording.frames
                )
                video = f"{VIDEO_FOLDER}/{path.name}"
        except OSError as error:
            return FilesNotWritten(error.errno or 0, error.strerror or str(error), str(error.filename or self._folder))
        return EpisodeOutcome(rollout, f"{TRACE_FOLDER}/{trace.name}", video)
