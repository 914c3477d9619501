"""About how much a run writes, from what it is asked for; rather too much than too little.

Measured in libero_spatial: a demonstration takes 45 kB a step (2 kB without frames), and as a row of the policy's
training 100 kB, two uncompressed frames of 128 pixels. Episodes of experts take about half of a suite's step limit.
An evaluated episode takes 13 kB with its trace, a film 80 kB. The heads' rows, features of the policy, are small
beside its frames.
"""

from pathlib import Path

from eval_bridge.collection.settings import CollectionSettings
from eval_bridge.evaluation.plan import EvaluationPlan
from rsd_jax.demos.frames import STORED_SIZE
from rsd_jax.run_folder import DEMOS_FOLDER, ROWS_FOLDER

DEMO_STEP_BYTES, DEMO_STEP_BYTES_WITHOUT_IMAGES = 45_000, 2_000
ROW_BYTES = 100_000

TRAINING_BYTES = {
    "rfsq": 10_000_000,
    "policy": 400_000_000,
    "draft": 50_000_000,
    "main_head": 50_000_000,
    "draft_policy": 100_000_000,
    "confidence": 10_000_000,
    "early_exit": 50_000_000,
}
"""The latest state, four numbers of 4 bytes a parameter, and the best one, each twice while it is replaced."""

EPISODE_BYTES, FILM_BYTES = 50_000, 500_000
"""An evaluated episode with its trace, and its film; longer ones than those measured, and the report with them."""


def collection_bytes(settings: CollectionSettings) -> int:
    """The demonstrations; those of one task lie there twice while they become one file."""
    steps = settings.benchmark.max_steps // 2
    frames = DEMO_STEP_BYTES * (settings.image_size // STORED_SIZE) ** 2
    step = frames if settings.images else DEMO_STEP_BYTES_WITHOUT_IMAGES
    return (len(settings.task_names) + 1) * settings.demos_per_task * steps * step


def collected_bytes(run_dir: Path) -> int:
    """The demonstrations that a run has already, those included that wait for the others of their task."""
    demos = run_dir / DEMOS_FOLDER
    return sum(path.stat().st_size for pattern in ("*/*.hdf5", "*/*.parts/*.hdf5") for path in demos.glob(pattern))


def rows_bytes(run_dir: Path, demos: int) -> int:
    """The rows that the policy's training cuts from so many bytes of demonstrations, without those that are there."""
    there = sum(path.stat().st_size for path in (run_dir / ROWS_FOLDER).glob("policy-*/*.bin"))
    return max(demos * ROW_BYTES // DEMO_STEP_BYTES - there, 0)


def evaluation_bytes(plan: EvaluationPlan) -> int:
    """Episodes, traces and films."""
    films = sum(plan.stride_of(episode) is not None for episode in plan.episodes)
    return len(plan.episodes) * EPISODE_BYTES + films * FILM_BYTES
