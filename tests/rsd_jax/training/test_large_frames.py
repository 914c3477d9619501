"""Rows of demonstrations for a backbone that sees other frames than most."""

from dataclasses import replace

import numpy as np
import pytest

from rsd_jax.backbones.instruction import encode_instruction
from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.libero_hdf5 import EpisodeDescription, SceneDescription, merge, write_episode
from rsd_jax.observation_needs import ObservationNeeds
from rsd_jax.training.policy_rows import stored_policy_rows
from tests.rsd_jax.demos.demo_examples import example_demo

LARGE = ObservationNeeds(256, ("wrist",), 8)


def write_run(folder, demos):
    path = folder / "demos" / "libero_spatial" / "task_demo.hdf5"
    path.parent.mkdir(parents=True)
    parts = [path.with_name(f"part_{demo.seed}.hdf5") for demo in demos]
    for part, demo in zip(parts, demos, strict=True):
        write_episode(part, demo, SceneDescription(), EpisodeDescription())
    merge(parts, path)
    return folder


def enlarged(demo):
    views = {name: getattr(demo, name).repeat(2, axis=1).repeat(2, axis=2) for name in ("agentview", "wrist")}
    return replace(demo, **views)


def test_large_frames_are_kept_for_who_needs_them_and_halved_for_others(tmp_path):
    demos = [example_demo(0), example_demo(1)]
    run_dir = write_run(tmp_path, list(map(enlarged, demos)))
    large = stored_policy_rows(run_dir, 2, 8, encode_instruction, LARGE).train["images"]
    np.testing.assert_array_equal(large[:, 0], enlarged(demos[0]).wrist)
    assert large.shape[1:] == (1, 256, 256, 3)
    small = stored_policy_rows(run_dir, 2, 8, encode_instruction).train["images"]
    np.testing.assert_array_equal(small[:, 1], demos[0].wrist)


def test_small_frames_are_not_enlarged(tmp_path):
    run_dir = write_run(tmp_path, [example_demo(0), example_demo(1)])
    with pytest.raises(DemoFileError, match=r"128 pixels, and 256 are needed: .*launch.render"):
        stored_policy_rows(run_dir, 2, 8, encode_instruction, LARGE)
