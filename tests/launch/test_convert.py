import dataclasses
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import launch.convert
from launch.config_flags import parse_config
from launch.convert import main
from rsd_jax.demos.conversion import Converted
from rsd_jax.demos.lerobot import LeRobotDemos
from rsd_jax.demos.libero_hdf5 import Hdf5Demos
from tests.rsd_jax.demos.demo_examples import assert_same_demo
from tests.rsd_jax.demos.golden_datasets import GOLDEN, RLDS, assert_frames_are_close, assert_is_golden

CONFIG = str(Path(launch.convert.__file__).parent.parent / "configs" / "convert.py")


def _convert(source_format, source, target_format, target, *more):
    overrides = {
        "source.format": source_format,
        "source.path": source,
        "target.format": target_format,
        "target.path": target,
        "workers": 1,
    }
    main(parse_config(["--config", CONFIG, *(f"--config.{key}={value}" for key, value in overrides.items()), *more]))


def test_recorded_episodes_keep_all_that_each_format_holds(preflight_run, tmp_path, capsys):
    """HDF5 -> HDF5 exactly; HDF5 -> LeRobot -> HDF5 without states, with frames as the codec leaves them."""
    recorded = list(Hdf5Demos.open(preflight_run / "demos"))
    _convert("libero_hdf5", preflight_run / "demos", "libero_hdf5", tmp_path / "copy")
    _convert("libero_hdf5", preflight_run / "demos", "lerobot", tmp_path / "lerobot")
    _convert("lerobot", tmp_path / "lerobot", "libero_hdf5", tmp_path / "back")
    output = capsys.readouterr().out
    assert f"{len(recorded)} demonstrations in" in output
    assert "LeRobot datasets hold no simulator states" in output
    copied, back = (list(Hdf5Demos.open(tmp_path / name)) for name in ("copy", "back"))
    for original, copy, returned in zip(recorded, copied, back, strict=True):
        assert_same_demo(copy, original)
        for frames, before in zip(returned.require_frames(), original.require_frames(), strict=True):
            assert np.abs(frames.astype(float) - before).mean() < 1.5
        kept = {"agentview": original.agentview, "wrist": original.wrist}
        assert_same_demo(dataclasses.replace(returned, **kept), dataclasses.replace(original, states=None, start=None))


def test_published_datasets_become_a_runs_demonstrations(tmp_path):
    """By nothing but format and path: conventions are the usual ones, tasks are found by their instructions."""
    _convert("rlds", RLDS, "libero_hdf5", tmp_path / "run" / "demos")
    converted = Hdf5Demos.open(tmp_path / "run" / "demos")
    assert len(converted) == 2
    for demo in converted:
        assert_is_golden(demo, image_tolerance=0.8)
    assert len(list((tmp_path / "run" / "demos" / "libero_spatial").glob("*_demo.hdf5"))) == 2
    suite = "--config.source.suite=libero_goal"
    _convert("lerobot", GOLDEN / "lerobot_v2.1", "lerobot", tmp_path / "v3", suite)
    named = list(LeRobotDemos.open(tmp_path / "v3"))
    assert [demo.suite for demo in named] == ["libero_goal"] * 2
    assert_frames_are_close(
        named[0].agentview, next(iter(LeRobotDemos.open(GOLDEN / "lerobot_v3.0", naming=_goal()))).agentview, 2.0
    )


def _goal():
    return launch.convert._task_naming("libero_goal")


def test_every_task_of_libero_is_known_by_its_instruction():
    naming = launch.convert._task_naming("")
    name = naming.name("turn on the stove and put the moka pot on it", None, [])
    assert name == ("libero_10", "KITCHEN_SCENE3_turn_on_the_stove_and_put_the_moka_pot_on_it")
    assert naming.name("put the bowl on the plate", None, []).suite == "libero_goal"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source.path=", "config.source.path is empty; add --config.source.path=FOLDER"),
        ("target.path=", "config.target.path is empty"),
        ("source.format=zarr", "source format 'zarr' must be one of"),
        ("target.format=zarr", "target format 'zarr' must be one of"),
        ("source.image_orientation=sideways", "image_orientation='sideways' must be one of"),
        ("source.gripper_convention=franka", "gripper_convention='franka' must be one of"),
        ("source.source_hz=10.0", "source_hz=10"),
        ("source.split=val", "splits: has no 'val'; found \\['train'\\]"),
        ("source.wrist_key=front", "front: is missing"),
        ("on_error=ignore", "on_error='ignore' must be one of 'stop', 'skip'"),
        ("source.normalisation=q01_q99", "normalisation='q01_q99' needs --config.source.statistics=FILE"),
    ],
)
def test_a_wrong_value_names_those_that_fit(tmp_path, override, message):
    with pytest.raises(ValueError, match=message):
        _convert("rlds", RLDS, "libero_hdf5", tmp_path / "demos", f"--config.{override}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("source_format", "key"), [("libero_hdf5", "wrist_key"), ("lerobot", "split")])
def test_what_a_format_does_not_have_cannot_be_declared(tmp_path, source_format, key):
    message = f"config.source.{key}='x' says nothing about a source of the format '{source_format}'"
    with pytest.raises(ValueError, match=message):
        _convert(source_format, GOLDEN, "libero_hdf5", tmp_path / "demos", f"--config.source.{key}=x")


def test_an_unfinished_conversion_of_before_is_gone_on_with(tmp_path, monkeypatch):
    """What can be declared since then is not told in its description, nor in one that declares nothing of it."""
    told = {}

    def convert(*_, description, **__):
        told.update(description["source"])
        return Converted(2, ())

    monkeypatch.setattr(launch.convert, "convert", convert)
    _convert("rlds", RLDS, "libero_hdf5", tmp_path / "demos")
    assert not {"agentview_key", "wrist_key", "state_key", "action_key", "split"} & set(told)
    _convert("rlds", RLDS, "libero_hdf5", tmp_path / "demos", "--config.source.split=train")
    assert told["split"] == "train"


@pytest.mark.parametrize(
    "wordings",
    [
        ("Open the Drawer", "open the drawer"),
        ("the mug and/or the bowl", "the mug and or the bowl"),
        ("../../../outside", "/outside"),
        ("open it " * 40, "open it " * 41),
    ],
)
def test_whatever_the_words_are_every_episode_lies_in_the_target_and_keeps_its_own(tmp_path, wordings):
    source, target = tmp_path / "source", tmp_path / "in" / "demos"
    shutil.copytree(GOLDEN / "lerobot_v2.1", source)
    lines = [json.dumps({"task_index": index, "task": words}) for index, words in enumerate(wordings)]
    (source / "meta" / "tasks.jsonl").write_text("\n".join(lines))
    _convert("lerobot", source, "libero_hdf5", target, "--config.source.suite=../../outside")
    read = Hdf5Demos.open(target)
    assert sorted(demo.instruction for demo in read) == sorted(wordings)
    assert {demo.suite for demo in read} == {"../../outside"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "source"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["demos"]
    assert sorted(path.name for path in source.iterdir()) == ["data", "meta", "videos"]


def test_a_demonstration_without_steps_is_left_out_and_the_others_are_converted(tmp_path, capsys):
    _convert("rlds", RLDS, "libero_hdf5", tmp_path / "demos")
    path = sorted((tmp_path / "demos").rglob("*_demo.hdf5"))[0]
    with h5py.File(path, "r+") as file:
        group = file["data"].create_group("demo_1")
        group["actions"] = np.zeros((0, 7), np.float32)
        group["obs/ee_states"], group["obs/gripper_states"] = np.zeros((0, 6)), np.zeros((0, 2))
    message = r"_demo.hdf5: demo_1: actions: is empty; .*\. To leave out .* --config.on_error=skip"
    with pytest.raises(ValueError, match=message):
        _convert("libero_hdf5", tmp_path / "demos", "libero_hdf5", tmp_path / "copy")
    _convert("libero_hdf5", tmp_path / "demos", "libero_hdf5", tmp_path / "copy", "--config.on_error=skip")
    output = capsys.readouterr().out
    assert "2 demonstrations in" in output
    assert f"left out 1 of 3 episodes, see {tmp_path / 'copy' / 'left_out.json'}:" in output
    assert f"  {path}: demo_1: actions: is empty" in output
    assert len(Hdf5Demos.open(tmp_path / "copy")) == 2


def test_what_is_declared_is_what_is_converted(tmp_path):
    _convert("rlds", RLDS, "libero_hdf5", tmp_path / "demos", "--config.source.image_orientation=as_rendered")
    turned = next(iter(Hdf5Demos.open(tmp_path / "demos")))
    _convert("rlds", RLDS, "libero_hdf5", tmp_path / "usual")
    usual = next(iter(Hdf5Demos.open(tmp_path / "usual")))
    np.testing.assert_array_equal(turned.agentview, usual.agentview[:, ::-1, ::-1])
