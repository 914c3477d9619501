"""Files in LIBERO's layout that others wrote: official ones and those regenerated without no-ops."""

import json

import h5py
import numpy as np
import pytest

from rsd_jax.demos.libero_hdf5 import (
    DemoFileError,
    EpisodeDescription,
    Hdf5Demos,
    SceneDescription,
    concatenate,
    read_demos,
    write_episode,
)
from rsd_jax.demos.source_conventions import UPRIGHT_LIBERO
from rsd_jax.demos.task_names import TaskNaming
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, assert_same_demo, example_demo


def _write(path, seed=0, **changes):
    demo = example_demo(seed, **changes)
    write_episode(path, demo, SceneDescription(), EpisodeDescription())
    return demo


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_actions_of_either_float_type_and_missing_robot_states_are_read(tmp_path, dtype):
    demo = _write(tmp_path / "one.hdf5")
    with h5py.File(tmp_path / "one.hdf5", "r+") as file:
        group = file["data/demo_0"]
        del group["robot_states"], group["expert_actions"], group["actions"]
        group["actions"] = demo.actions.astype(dtype)
    (found,) = read_demos(tmp_path / "one.hdf5")
    np.testing.assert_array_equal(found.actions, demo.actions, strict=True)
    np.testing.assert_array_equal(found.proprio, demo.proprio, strict=True)


def test_without_observations_the_robots_state_comes_from_robot_states(tmp_path):
    demo = _write(tmp_path / "one.hdf5", **WITHOUT_FRAMES)
    with h5py.File(tmp_path / "one.hdf5", "r+") as file:
        del file["data/demo_0/obs"]
    (found,) = read_demos(tmp_path / "one.hdf5")
    assert not found.has_frames
    np.testing.assert_allclose(found.proprio, demo.proprio, atol=1e-6)
    with h5py.File(tmp_path / "one.hdf5", "r+") as file:
        del file["data/demo_0/robot_states"]
    with pytest.raises(DemoFileError, match="demo_0: obs/ee_states: is missing"):
        read_demos(tmp_path / "one.hdf5")


@pytest.fixture
def regenerated(tmp_path):
    """A file as OpenVLA's script leaves it: 256 pixels, no attributes at all, a gap where a replay failed."""
    path = tmp_path / "libero_10_no_noops" / "KITCHEN_SCENE3_turn_on_the_stove_demo.hdf5"
    path.parent.mkdir()
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name in ("demo_0", "demo_2"):
            group = file.create_group(f"data/{name}")
            group["actions"] = np.append(generator.uniform(-1, 1, (3, 6)), [[-1], [-1], [1]], axis=1)
            group["states"] = generator.normal(size=(3, 20))
            group["robot_states"] = generator.normal(size=(3, 9))
            group["obs/ee_states"] = generator.normal(size=(3, 6))
            group["obs/gripper_states"] = generator.normal(size=(3, 2))
            group["obs/agentview_rgb"] = np.full((3, 256, 256, 3), 7, np.uint8)
            group["obs/eye_in_hand_rgb"] = np.full((3, 256, 256, 3), 9, np.uint8)
    return path


def test_a_file_regenerated_without_noops_is_read(regenerated):
    demos = read_demos(regenerated)
    assert len(demos) == 2
    assert (demos[1].suite, demos[1].task) == ("libero_10", "KITCHEN_SCENE3_turn_on_the_stove")
    assert demos[1].instruction == "turn on the stove"
    assert demos[1].agentview.shape == (3, 128, 128, 3)
    assert (demos[1].wrist == 9).all()
    assert demos[1].start is None
    assert demos[1].actions[:, 6].tolist() == [-1, -1, 1]


@pytest.mark.parametrize("beside", [True, False])
def test_its_initial_states_come_from_the_metainfo_where_that_was_kept(regenerated, beside):
    state = np.arange(20.0)
    episodes = {name: {"success": name != "demo_1", "initial_state": state.tolist()} for name in ("demo_1", "demo_2")}
    folder = regenerated.parent if beside else regenerated.parent.parent
    (folder / "libero_10_metainfo.json").write_text(json.dumps({"turn_on_the_stove": episodes}))
    first, second = read_demos(regenerated)
    assert first.start is None
    np.testing.assert_array_equal(second.start.state, state)


def test_a_damaged_metainfo_is_named(regenerated):
    (regenerated.parent / "libero_10_metainfo.json").write_text("{")
    with pytest.raises(DemoFileError, match=r"libero_10_metainfo.json: all episodes: content: is not JSON"):
        read_demos(regenerated)


def test_a_file_that_contradicts_the_declared_orientation_is_refused(tmp_path):
    _write(tmp_path / "one.hdf5")
    with pytest.raises(DemoFileError, match=r"macros_image_convention: is 'opengl', .* declare 'as_rendered'"):
        read_demos(tmp_path / "one.hdf5", UPRIGHT_LIBERO)
    with h5py.File(tmp_path / "one.hdf5", "r+") as file:
        file["data"].attrs["macros_image_convention"] = "opencv"
    with pytest.raises(DemoFileError, match="declare 'upright'"):
        read_demos(tmp_path / "one.hdf5")
    assert read_demos(tmp_path / "one.hdf5", UPRIGHT_LIBERO)[0].has_frames


def test_a_folder_is_read_by_index_file_after_file_in_the_order_of_numbers(tmp_path, regenerated):
    written = _write(tmp_path / "mine" / "task_demo.hdf5", seed=4)
    _write(tmp_path / "mine" / "task_demo.parts" / "seed_0000000004.hdf5", seed=4)  # collection's, not yet merged
    dataset = Hdf5Demos.open(tmp_path, naming=TaskNaming("other"))
    assert len(dataset) == 3
    assert [demo.suite for demo in dataset] == ["other", "other", "libero_spatial"]
    assert_same_demo(dataset[2], written)
    assert len(Hdf5Demos.open(regenerated)) == 2
    with pytest.raises(IndexError):
        dataset[3]
    with pytest.raises(FileNotFoundError, match=r"no demonstration files \(\*_demo.hdf5\) at"):
        Hdf5Demos.open(tmp_path / "mine" / "absent")


def test_files_are_joined_in_the_order_given(tmp_path):
    demos = [_write(tmp_path / f"{seed}.hdf5", seed=seed, steps=2) for seed in (5, 1)]
    concatenate([tmp_path / "5.hdf5", tmp_path / "1.hdf5"], tmp_path / "both.hdf5")
    for found, demo in zip(read_demos(tmp_path / "both.hdf5"), demos, strict=True):
        assert_same_demo(found, demo)
    with h5py.File(tmp_path / "both.hdf5") as file:
        assert (file["data"].attrs["num_demos"], file["data"].attrs["total"]) == (2, 4)
    with pytest.raises(ValueError, match="hold no demonstration"):
        concatenate([], tmp_path / "none.hdf5")
