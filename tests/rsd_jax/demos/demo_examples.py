"""Small made-up demonstrations for tests."""

from pathlib import Path

import numpy as np

from rsd_jax.demos.demo import Demo, DemoStart
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, merge, write_episode

STATE_SIZE = 20


def example_demo(seed: int = 0, steps: int = 3, **changes) -> Demo:
    generator = np.random.default_rng(seed)
    actions = generator.uniform(-1, 1, (steps, 7)).astype(np.float32)
    fields = {
        "suite": "libero_spatial",
        "task": "pick_up_the_bowl",
        "instruction": "pick up the bowl",
        "actions": actions,
        "labels": np.clip(actions + np.float32(0.1), -1, 1),
        "proprio": generator.uniform(0, 1, (steps, 8)).astype(np.float32),
        "agentview": generator.integers(0, 256, (steps, 128, 128, 3), np.uint8),
        "wrist": generator.integers(0, 256, (steps, 128, 128, 3), np.uint8),
        "states": generator.normal(size=(steps, STATE_SIZE)),
        "start": DemoStart(generator.normal(size=STATE_SIZE), {"cabinet_1": generator.normal(size=7)}),
        "seed": seed,
    }
    return Demo(**(fields | changes))


def write_example_task(run_dir: Path) -> None:
    """Demonstrations of one task in the folder of a run."""
    demos = run_dir / "demos" / "suite"
    demos.mkdir(parents=True)
    parts = [demos / f"part_{seed}.hdf5" for seed in range(4)]
    for seed, part in enumerate(parts):
        write_episode(part, example_demo(seed, steps=16), SceneDescription(), EpisodeDescription())
    merge(parts, demos / "task_demo.hdf5")


WITHOUT_FRAMES = {"agentview": None, "wrist": None}
WITHOUT_SIMULATION = {"states": None, "start": None}


def assert_same_demo(left: Demo, right: Demo) -> None:
    for name in ("suite", "task", "instruction", "seed", "has_frames", "expert_from"):
        assert getattr(left, name) == getattr(right, name)
    for name in ("actions", "labels", "proprio", "agentview", "wrist", "states"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name, strict=True)
    assert (left.start is None) == (right.start is None)
    if left.start is None or right.start is None:
        return
    np.testing.assert_array_equal(left.start.state, right.start.state, strict=True)
    assert left.start.fixture_poses.keys() == right.start.fixture_poses.keys()
    for name, pose in left.start.fixture_poses.items():
        np.testing.assert_array_equal(pose, right.start.fixture_poses[name], strict=True)
