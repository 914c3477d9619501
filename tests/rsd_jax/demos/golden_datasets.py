"""The datasets in ``golden/``, and what was put into them."""

from pathlib import Path

import numpy as np

from rsd_jax.demos.demo import Demo
from tests.rsd_jax.demos.golden.golden_episodes import SUITE, TASKS, golden_episode

GOLDEN = Path(__file__).parent / "golden"
RLDS = GOLDEN / "rlds" / "libero_spatial_no_noops"


def assert_is_golden(demo: Demo, image_tolerance: float) -> None:
    """Checks a demonstration against what was put in.

    Args:
        demo: as read from a golden dataset.
        image_tolerance: allowed mean absolute difference of pixels, of 255.
    """
    episode = golden_episode(TASKS.index(demo.task))
    assert demo.suite == SUITE
    assert demo.instruction == episode.instruction
    np.testing.assert_array_equal(demo.actions, episode.actions, strict=True)
    np.testing.assert_array_equal(demo.labels, episode.actions, strict=True)
    np.testing.assert_array_equal(demo.proprio, episode.state, strict=True)
    for found, put_in in zip(demo.require_frames(), (episode.agentview, episode.wrist), strict=True):
        upside_down = put_in[:, ::-1, ::-1].astype(float)
        halved = upside_down.reshape(len(put_in), 128, 2, 128, 2, 3).mean(axis=(2, 4))
        assert_frames_are_close(found, halved, image_tolerance)
    assert demo.states is None
    assert demo.start is None
    assert demo.seed == -1


def assert_frames_are_close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Checks frames ``[T, H, W, 3]``: close to those of their own step, and closer than to those of any other."""
    differences = np.abs(found[:, None].astype(float) - expected[None]).mean(axis=(2, 3, 4))
    assert differences.argmin(axis=1).tolist() == list(range(len(expected)))
    assert differences.diagonal().max() < tolerance
