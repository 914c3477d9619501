import json
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from rsd_jax.demos.libero_hdf5 import (
    DemoFileError,
    EpisodeDescription,
    SceneDescription,
    merge,
    read_demos,
    read_seeds,
    write_episode,
)
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, WITHOUT_SIMULATION, assert_same_demo, example_demo

SCENE = SceneDescription(
    env_name="Libero_Tabletop_Manipulation",
    env_args={"type": 1},
    bddl_file_name="bddl_files/libero_spatial/pick_up_the_bowl.bddl",
    bddl_file_content="(define (problem ...))",
    versions={"mujoco": "3.2.3"},
)
EPISODE = EpisodeDescription(model_file="<mujoco/>", noise={"burst_probability": 0.1})


def _write(path, seed=0, steps=3, **changes):
    demo = example_demo(seed, steps, **changes)
    write_episode(path, demo, SCENE, EPISODE)
    return demo


def test_an_episode_reads_back_as_it_was_written(tmp_path):
    path = tmp_path / "one.hdf5"
    demo = _write(path)
    (found,) = read_demos(path)
    assert_same_demo(found, demo)
    assert [file.name for file in tmp_path.iterdir()] == ["one.hdf5"]


@pytest.mark.parametrize("left_out", [WITHOUT_FRAMES, WITHOUT_SIMULATION, WITHOUT_FRAMES | WITHOUT_SIMULATION])
def test_what_an_episode_lacks_is_absent_in_the_file_and_none_when_read(tmp_path, left_out):
    demo = _write(tmp_path / "one.hdf5", **left_out)
    (found,) = read_demos(tmp_path / "one.hdf5")
    assert_same_demo(found, demo)
    with h5py.File(tmp_path / "one.hdf5") as file:
        assert ("obs/agentview_rgb" in file["data/demo_0"]) == demo.has_frames
        assert ("states" in file["data/demo_0"]) == (demo.states is not None)


def test_a_correction_tells_where_the_expert_took_over(tmp_path):
    demo = _write(tmp_path / "one.hdf5", expert_from=2)
    (found,) = read_demos(tmp_path / "one.hdf5")
    assert_same_demo(found, demo)
    assert found.expert_from == 2


def test_has_every_field_of_the_official_layout(tmp_path):
    path = tmp_path / "one.hdf5"
    demo = _write(path)
    with h5py.File(path) as file:
        data, group = file["data"], file["data/demo_0"]
        assert json.loads(data.attrs["problem_info"])["language_instruction"] == demo.instruction
        assert json.loads(data.attrs["env_args"]) == {"type": 1}
        assert data.attrs["macros_image_convention"] == "opengl"
        assert data.attrs["env_name"] == SCENE.env_name
        assert data.attrs["bddl_file_name"] == SCENE.bddl_file_name
        assert data.attrs["bddl_file_content"] == SCENE.bddl_file_content
        assert (data.attrs["num_demos"], data.attrs["total"]) == (1, 3)
        assert group.attrs["num_samples"] == 3
        assert group.attrs["model_file"] == "<mujoco/>"
        np.testing.assert_array_equal(group.attrs["init_state"], demo.start.state)
        shapes = {
            **{name: item.shape for name, item in group.items() if name != "obs"},
            **{f"obs/{name}": item.shape for name, item in group["obs"].items()},
        }
        assert shapes == {
            "actions": (3, 7),
            "expert_actions": (3, 7),
            "states": (3, 20),
            "robot_states": (3, 9),
            "rewards": (3,),
            "dones": (3,),
            "obs/agentview_rgb": (3, 128, 128, 3),
            "obs/eye_in_hand_rgb": (3, 128, 128, 3),
            "obs/ee_states": (3, 6),
            "obs/ee_pos": (3, 3),
            "obs/ee_ori": (3, 3),
            "obs/gripper_states": (3, 2),
            "obs/joint_states": (3, 7),
        }
        assert group["actions"].dtype == np.float32
        assert group["dones"][()].tolist() == group["rewards"][()].tolist() == [0, 0, 1]
        np.testing.assert_array_equal(group["robot_states"][:, 2:5], demo.proprio[:, :3])
        np.testing.assert_array_equal(group["robot_states"][:, :2], group["obs/gripper_states"])
        np.testing.assert_allclose(np.linalg.norm(group["robot_states"][:, 5:], axis=1), 1)


def test_merging_orders_by_seed_keeps_each_once_and_may_extend_a_file(tmp_path):
    demos = {seed: _write(tmp_path / f"{seed}.hdf5", seed, steps=2 + seed) for seed in (5, 1, 3)}
    merged = tmp_path / "all.hdf5"
    merge([tmp_path / "5.hdf5", tmp_path / "1.hdf5"], merged)
    merge([merged, tmp_path / "3.hdf5", tmp_path / "1.hdf5"], merged)
    found = read_demos(merged)
    assert [demo.seed for demo in found] == [1, 3, 5]
    for demo in found:
        assert_same_demo(demo, demos[demo.seed])
    assert read_seeds(merged) == {1: 3, 3: 5, 5: 7}
    with h5py.File(merged) as file:
        assert (file["data"].attrs["num_demos"], file["data"].attrs["total"]) == (3, 15)


def test_merging_nothing_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="hold no demonstration"):
        merge([], tmp_path / "all.hdf5")


def test_reads_an_official_file_without_the_additions(tmp_path):
    path = tmp_path / "libero_spatial" / "pick_up_the_bowl_demo.hdf5"
    demo = _write(path)
    with h5py.File(path, "r+") as file:
        group = file["data/demo_0"]
        del group["expert_actions"], group.attrs["seed"], group.attrs["fixture_poses"]
        del file["data"].attrs["suite"], file["data"].attrs["task"]
        as_float64 = group["actions"][()].astype(np.float64)
        del group["actions"]
        group["actions"] = as_float64
    (found,) = read_demos(path)
    assert found.actions.dtype == np.float32
    np.testing.assert_array_equal(found.labels, demo.actions)
    assert (found.suite, found.task, found.seed) == ("libero_spatial", "pick_up_the_bowl", -1)
    assert found.start.fixture_poses == {}
    with pytest.raises(DemoFileError, match=r"demo_0: seed: is missing"):
        read_seeds(path)


def test_orders_by_number_across_gaps(tmp_path):
    path = tmp_path / "gaps.hdf5"
    _write(path)
    with h5py.File(path, "r+") as file:
        data = file["data"]
        for number, seed in ((10, 110), (2, 102)):
            data.copy("demo_0", f"demo_{number}")
            data[f"demo_{number}"].attrs["seed"] = seed
        del data["demo_0"]
    assert [demo.seed for demo in read_demos(path)] == [102, 110]


def _replace(key, change):
    def damage(file):
        group = file["data/demo_0"]
        content = change(group[key][()])
        del group[key]
        group[key] = content

    return damage


def _with(index, value):
    def change(array):
        array = array.astype(np.float64)
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.pop("data"), "all episodes: data: group is missing"),
        (lambda file: file["data/demo_0"].pop("actions"), "demo_0: actions: is missing"),
        (lambda file: file["data/demo_0/obs"].pop("agentview_rgb"), "demo_0: obs/agentview_rgb: is missing"),
        (lambda file: file["data"].attrs.modify("problem_info", "{"), "all episodes: problem_info: .* is not JSON"),
        (_replace("actions", _with((1, 2), np.nan)), r"demo_0: actions: is nan at \[1, 2\]"),
        (_replace("actions", _with((2, 0), 1.25)), r"demo_0: actions: is 1.25 at \[2, 0\]; actions must lie in"),
        (_replace("expert_actions", _with((0, 0), -2)), "demo_0: expert_actions: is -2.0"),
        (_replace("actions", lambda array: array[:, :6]), r"demo_0: actions: is float32 \(3, 6\); expected \[T, 7\]"),
        (_replace("obs/ee_states", lambda array: array[:2]), r"demo_0: obs/ee_states"),
        (_replace("obs/eye_in_hand_rgb", lambda array: array[:, ::2]), r"demo_0: obs/eye_in_hand_rgb: is uint8"),
    ],
)
def test_a_damaged_file_is_named_with_episode_field_and_rule(tmp_path, damage, message):
    path = tmp_path / "damaged.hdf5"
    _write(path)
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(DemoFileError, match=message) as raised:
        read_demos(path)
    assert str(path) in str(raised.value)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "truncated.hdf5"
    _write(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        DemoFileError, match=r"truncated\.hdf5: all episodes: file: is truncated: it has \d+ bytes and fewer"
    ):
        read_demos(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no demonstration file at .*absent\.hdf5"):
        read_demos(tmp_path / "absent.hdf5")


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of 64 KiB (a random frame alone has 48 KiB and does not compress)."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_an_error_that_leaves_nothing(full_disk):
    path = full_disk / "demos" / "one.hdf5"
    with pytest.raises(OSError, match=r"demonstrations cannot be written \(No space left on device\).*one\.hdf5"):
        _write(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("broken", ["open", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "one.hdf5"
    old = _write(path, seed=1)

    def disk_is_full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, broken, disk_is_full)
    with pytest.raises(OSError, match=r"No space left on device.*one\.hdf5"):
        write_episode(path, example_demo(seed=2), SCENE, EPISODE)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["one.hdf5"]
    assert_same_demo(read_demos(path)[0], old)
