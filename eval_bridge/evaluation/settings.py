"""What an evaluation is asked for, as ``configs/libero_eval.py`` explains it."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from eval_bridge.evaluation.execution_settings import ExecutionSettings
from eval_bridge.evaluation.folder import checkpoint_folder, output_folder, results_folder
from eval_bridge.evaluation.plan import Benchmark, EvaluationPlan, plan_evaluation
from eval_bridge.evaluation.session import WorkerSettings
from eval_bridge.policies.cascade_decoder import CascadeDecoder
from eval_bridge.policies.decoder_interface import Decoder
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.policies.fitted_settings import fitted_settings
from eval_bridge.serving.client import ConventionSettings
from eval_bridge.serving.openpi_protocol import OPENPI
from eval_bridge.serving.server_address import is_address, read_address
from eval_bridge.simulators.libero.renderer import render_environments
from eval_bridge.simulators.perturbation.choice import Perturbation, read_perturbation
from eval_bridge.workers.shard import Shard


@dataclass(frozen=True)
class VideoSettings:
    """What is filmed: the first `per_task` episodes of every task, with a frame every `stride` steps."""

    per_task: int
    stride: int


@dataclass(frozen=True)
class EvaluationSettings:
    """Episodes of a benchmark by one decoder and one set of checkpoints.

    Attributes:
        run_dir: whose checkpoints act; empty for those that ship with the project.
        output: folder inside it.
        seed: recorded with every episode.
        simulator: name of the benchmark. suite: what of it.
        tasks: indices; () means all. episodes_per_task: of each, from `first_episode` on.
        decoder: its name. decoder_settings: ``NAME=VALUE`` of it, separated by blanks (`read_decoder`).
        calibration: name of one of the run's calibrations, whose fitted settings a cascade has too; empty for none.
        workers: processes with a simulator each; 0 means one per core.
        silence_limit: seconds without a word after which a worker counts as hung.
        render_devices: graphics devices, as EGL counts them, that workers render on, in turn; () leaves it to the
            renderer.
        policy_batch: rows of one call of the policy; 0 leaves it to the device.
        compare_with: folders inside the run of other evaluations of the same starts, for the report.
        shard: ``PART/PARTS``, the part that this host runs.
        max_attempts: how often an episode may crash.
        video: what is filmed.
        latency_repeats: timed calls of every stage; 0 leaves latency out.
        execution, delay, actions_left, coarse_layers: of `ExecutionSettings`.
        policy: of somebody else, which acts in place of a checkpoint: an address (`read_address`), or the name of an
            installed one (`load_installed_policy`); empty for none.
        policy_protocol: that its server speaks, where the address does not say it.
        policy_reply_limit: seconds within which it must answer.
        conventions: of its server, as far as they are declared.
        perturbation: of camera, robot or frames (`read_perturbation`); empty for none.

    Raises:
        ValueError: on construction, if the decoder does not exist or cannot act as it is to be executed, a calibration
            is asked for where nothing is fitted, or the shard or the perturbation is none. What depends on the
            benchmark is an error of `plan`.
    """

    run_dir: str
    output: str
    seed: int
    simulator: str
    suite: str
    tasks: tuple[int, ...]
    episodes_per_task: int
    first_episode: int
    decoder: str
    decoder_settings: str
    calibration: str
    workers: int
    silence_limit: float
    render_devices: tuple[int, ...]
    policy_batch: int
    compare_with: tuple[str, ...]
    shard: str
    max_attempts: int
    video: VideoSettings
    latency_repeats: int
    execution: str
    delay: str
    actions_left: int
    coarse_layers: int
    policy: str = ""
    policy_protocol: str = OPENPI
    policy_reply_limit: float = 300.0
    conventions: ConventionSettings = field(default_factory=ConventionSettings)
    perturbation: str = ""

    def __post_init__(self) -> None:
        decoder = read_decoder(self.decoder, self.decoder_settings)
        if self.calibration and not isinstance(decoder, CascadeDecoder):
            raise ValueError(
                f"calibration={self.calibration!r} is of a cascade's threshold, and decoder={self.decoder} has none: "
                "leave it out"
            )
        self.check_decoder(decoder)
        if self.policy and (self.calibration or self.decoder_settings):
            raise ValueError(
                f"decoder_settings={self.decoder_settings!r} and calibration={self.calibration!r} are of a "
                f"checkpoint's decoder, and policy={self.policy!r} has its own: leave them out"
            )
        if self.policy and self.timing.made.promises:
            raise ValueError(
                f"execution={self.execution} tells the policy what is promised of its last chunk, and "
                f"policy={self.policy!r} takes no promise: choose another execution"
            )
        if is_address(self.policy):
            read_address(self.policy, self.policy_protocol)
        self.read_perturbation()

    def check_decoder(self, decoder: Decoder) -> None:
        """Whether a decoder can act as it is to be executed; raises as `ExecutionSettings.check` does."""
        self.timing.check(decoder, Shard.parse(self.shard).parts)

    def with_fitted_settings(self) -> "EvaluationSettings":
        """What is asked for, with the settings of the calibration that it names; raises as `fitted_settings` does."""
        if not self.calibration:
            return self
        fitted = fitted_settings(self.checkpoints, self.calibration, self.decoder)
        return replace(self, decoder_settings=f"{self.decoder_settings} {fitted}".strip(), calibration="")

    @property
    def timing(self) -> ExecutionSettings:
        """How chunks are executed and how long calls take."""
        return ExecutionSettings(self.execution, self.delay, self.actions_left, self.coarse_layers)

    def read_perturbation(self) -> Perturbation | None:
        """What is perturbed; None for nothing. Raises as the function of the same name does."""
        return read_perturbation(self.perturbation)

    @property
    def checkpoints(self) -> Path:
        """The run whose checkpoints act."""
        return checkpoint_folder(self.run_dir)

    @property
    def output_folder(self) -> Path:
        """Where the results of this shard go."""
        return output_folder(results_folder(self.run_dir, self.policy), self.output, Shard.parse(self.shard))

    @property
    def compared(self) -> list[Path]:
        """Folders of the other evaluations."""
        return [results_folder(self.run_dir, self.policy) / name for name in self.compare_with]

    @property
    def worker_settings(self) -> WorkerSettings:
        """Who runs the episodes."""
        return WorkerSettings(
            count=self.workers or len(os.sched_getaffinity(0)),
            silence_limit=self.silence_limit,
            environments=render_environments(self.render_devices),
        )

    def plan(self, benchmark: Benchmark) -> EvaluationPlan:
        """The episodes of `benchmark` that are asked for.

        Raises:
            ValueError: a task or an episode does not exist, or a number is out of range.
        """
        return plan_evaluation(
            benchmark,
            EvaluationPlan(
                task_indices=self.tasks,
                episodes_per_task=self.episodes_per_task,
                seed=self.seed,
                first_episode=self.first_episode,
                max_attempts=self.max_attempts,
                videos_per_task=self.video.per_task,
                video_stride=self.video.stride,
                latency_repeats=self.latency_repeats,
                shard=Shard.parse(self.shard),
                execution=self.timing.made,
                delay=self.timing.read_delay(),
                perturbation=self.read_perturbation(),
            ),
        )
