"""What a collection is asked for, as ``configs/demos.py`` explains it."""

import os
from dataclasses import dataclass, field

from eval_bridge.collection.recording import RecordingSettings
from eval_bridge.collection.session import CollectionPlan
from eval_bridge.collection.takeover import TakeoverSettings
from eval_bridge.experts.noise import NoiseSettings
from eval_bridge.experts.smooth_motion import MotionLimits
from eval_bridge.experts.style import StyleSettings
from eval_bridge.simulators.libero.layout.settings import LayoutSettings
from eval_bridge.simulators.libero.looks.settings import LooksSettings
from eval_bridge.simulators.libero.renderer import render_environments
from eval_bridge.simulators.libero.suites import Suite, get_suite, select_tasks
from eval_bridge.simulators.start_seeds import FIRST_CORRECTION, FIRST_DEVELOPMENT_SEED, SEEDS_PER_RUN
from eval_bridge.workers.shard import Shard
from rsd_jax.demos.frames import RENDER_SIZE, STORED_SIZE


@dataclass(frozen=True)
class CollectionSettings:
    """Demonstrations of tasks of a LIBERO suite.

    Attributes:
        run_dir: folder of the run.
        seed: the starts of a run: seeds count up from ``seed * SEEDS_PER_RUN``.
        suite: name of the suite. tasks: indices or names of its tasks.
        demos_per_task: demonstrations of each.
        workers: processes with a simulator each; 0 means one per core.
        silence_limit: seconds without a word after which a worker counts as hung.
        render_devices: graphics devices, as EGL counts them, that workers render on, in turn; () leaves it to the
            renderer.
        images: whether frames are rendered.
        attempts_per_demo: a task ends with an error after so many attempts for each demonstration.
        steps_after_success: steps recorded after the goal holds.
        noise: what disturbs the expert.
        style: what of its ways to do an episode is random.
        motion: how fast its hand may speed up and brake.
        takeover: of which policy the expert corrects the mistakes, if it does.
        shard: ``PART/PARTS``, the part of the tasks that this host records.
        image_size: pixels a side of the recorded frames: 128, or 256 for a policy that takes such (OpenVLA).
        layout: what of the scene's layout is drawn at random. looks: what of how things look is.

    Raises:
        ValueError: on construction, if a suite, a task, a number or a shard is impossible.
    """

    run_dir: str
    seed: int
    suite: str
    tasks: tuple[int | str, ...]
    demos_per_task: int
    workers: int
    silence_limit: float
    render_devices: tuple[int, ...]
    images: bool
    attempts_per_demo: int
    steps_after_success: int
    noise: NoiseSettings
    style: StyleSettings
    motion: MotionLimits
    takeover: TakeoverSettings = field(default_factory=TakeoverSettings)
    shard: str = "0/1"
    image_size: int = STORED_SIZE
    layout: LayoutSettings = field(default_factory=LayoutSettings)
    looks: LooksSettings = field(default_factory=LooksSettings)

    def __post_init__(self) -> None:
        if self.image_size not in (STORED_SIZE, RENDER_SIZE):
            raise ValueError(f"image_size={self.image_size} must be {STORED_SIZE} or {RENDER_SIZE} pixels a side")
        most = FIRST_DEVELOPMENT_SEED // SEEDS_PER_RUN
        if not 0 <= self.seed < most:
            raise ValueError(
                f"seed={self.seed} must be at least 0 and below {most}: starts from there on are for development"
            )
        if (attempts := self.attempts_per_demo * self.demos_per_task) > FIRST_CORRECTION:
            raise ValueError(
                f"attempts_per_demo={self.attempts_per_demo} and demos_per_task={self.demos_per_task} are {attempts} "
                f"seeds; a run has {FIRST_CORRECTION}"
            )
        _ = self.task_names, self.recording, self.plan  # each rejects what it cannot be made of

    @property
    def benchmark(self) -> Suite:
        """The suite that `suite` names."""
        return get_suite(self.suite)

    @property
    def task_names(self) -> list[str]:
        """Names of the tasks, in the order asked for."""
        return select_tasks(self.suite, self.tasks)

    @property
    def corrects(self) -> bool:
        """Whether a policy acts before the expert."""
        return bool(self.takeover.policy_of)

    @property
    def recording(self) -> RecordingSettings:
        """How an episode is recorded."""
        return RecordingSettings(
            step_limit=self.benchmark.max_steps,
            steps_after_success=self.steps_after_success,
            noise=self.noise,
            images=self.images,
            style=self.style,
            motion=self.motion,
            image_size=self.image_size,
            layout=self.layout,
            looks=self.looks,
        )

    @property
    def plan(self) -> CollectionPlan:
        """How much is recorded of every task."""
        return CollectionPlan(
            demos=self.demos_per_task,
            first_seed=self.seed * SEEDS_PER_RUN + (FIRST_CORRECTION if self.corrects else 0),
            workers=self.workers or len(os.sched_getaffinity(0)),
            attempts_per_demo=self.attempts_per_demo,
            silence_limit=self.silence_limit,
            environments=render_environments(self.render_devices),
            shard=Shard.parse(self.shard),
        )
