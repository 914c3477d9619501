"""Every demonstration keeps its own words, whatever file it is put into."""

import json
from dataclasses import replace

import h5py
import pytest

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.libero_hdf5 import (
    DemoFileError,
    EpisodeDescription,
    SceneDescription,
    concatenate,
    merge,
    read_demos,
    read_instructions,
    write_episode,
    write_with_frames,
)
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, WITHOUT_SIMULATION, assert_same_demo, example_demo

WORDINGS = ("pick up the bowl", "grab the bowl", "Pick up the bowl", "nimm die Schüssel\u2028\0")
SMALL = WITHOUT_FRAMES | WITHOUT_SIMULATION


def _write(path, seed=0, **changes):
    demo = example_demo(seed, **(SMALL | changes))
    write_episode(path, demo, SceneDescription(), EpisodeDescription())
    return demo


@pytest.mark.parametrize("join", [merge, concatenate])
def test_wordings_of_a_task_in_one_file_come_back_as_they_were(tmp_path, join):
    demos = [_write(tmp_path / f"{seed}.hdf5", seed, instruction=words) for seed, words in enumerate(WORDINGS)]
    join([tmp_path / f"{seed}.hdf5" for seed in range(len(demos))], tmp_path / "all.hdf5")
    join([tmp_path / "all.hdf5"], tmp_path / "again.hdf5")
    for name in ("all.hdf5", "again.hdf5"):
        for found, demo in zip(read_demos(tmp_path / name), demos, strict=True):
            assert_same_demo(found, demo)
        assert read_instructions(tmp_path / name) == list(WORDINGS)
    with h5py.File(tmp_path / "all.hdf5") as file:  # for readers of the official layout
        assert json.loads(file["data"].attrs["problem_info"])["language_instruction"] in WORDINGS
        assert json.loads(file["data/demo_1"].attrs["ep_meta"]) == {"lang": "grab the bowl"}


def test_a_file_of_one_wording_has_the_official_attributes_alone(tmp_path):
    for seed in (0, 1):
        _write(tmp_path / f"{seed}.hdf5", seed)
    concatenate([tmp_path / "0.hdf5", tmp_path / "1.hdf5"], tmp_path / "all.hdf5")
    with h5py.File(tmp_path / "all.hdf5") as file:
        assert "ep_meta" not in file["data/demo_0"].attrs
    assert read_instructions(tmp_path / "all.hdf5") == ["pick up the bowl"]


def test_frames_are_added_to_the_demonstration_with_its_own_words(tmp_path):
    demos = [_write(tmp_path / f"{seed}.hdf5", seed, instruction=words) for seed, words in enumerate(WORDINGS[:2])]
    concatenate([tmp_path / "0.hdf5", tmp_path / "1.hdf5"], tmp_path / "all.hdf5")
    frames = example_demo(5).require_frames()
    write_with_frames(tmp_path / "all.hdf5", "demo_0", frames, tmp_path / "rendered.hdf5")
    (found,) = read_demos(tmp_path / "rendered.hdf5")
    assert_same_demo(found, replace(demos[0], agentview=frames.agentview, wrist=frames.wrist))


def test_a_file_that_tells_no_words_keeps_those_of_its_name_when_it_is_joined(tmp_path):
    _write(tmp_path / "open_the_drawer_demo.hdf5", seed=0)
    with h5py.File(tmp_path / "open_the_drawer_demo.hdf5", "r+") as file:
        del file["data"].attrs["problem_info"], file["data"].attrs["task"]
    concatenate([tmp_path / "open_the_drawer_demo.hdf5"], tmp_path / "joined.hdf5")
    frames = example_demo(5).require_frames()
    write_with_frames(tmp_path / "open_the_drawer_demo.hdf5", "demo_0", frames, tmp_path / "rendered.hdf5")
    for name in ("joined.hdf5", "rendered.hdf5"):
        assert read_instructions(tmp_path / name) == ["open the drawer"]


@pytest.mark.parametrize("name", ["nul\0inside", "nul inside"])
def test_names_that_hdf5_cannot_hold_come_back_as_they_were(tmp_path, name):
    demo = _write(tmp_path / "one.hdf5", suite=name, task=name)
    (found,) = read_demos(tmp_path / "one.hdf5")
    assert_same_demo(found, demo)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("{}", "all episodes: problem_info: language_instruction: is missing; expected a text"),
        ('{"language_instruction": null}', "language_instruction: is missing"),
        ('{"language_instruction": ["pick", "up"]}', r"language_instruction: is a list, \['pick', 'up'\]; expected"),
        ('{"language_instruction": "  "}', "language_instruction: is '  '; expected a text that is not empty"),
        ('["pick up"]', "problem_info: attribute is a list; expected a JSON object"),
        (3, "problem_info: attribute is a int64; expected JSON text"),
    ],
)
def test_words_that_are_none_are_refused_by_name(tmp_path, problem, message):
    path = tmp_path / "one.hdf5"
    _write(path)
    with h5py.File(path, "r+") as file:
        file["data"].attrs["problem_info"] = problem
    for read in (read_demos, read_instructions):
        with pytest.raises(DemoFileError, match=message):
            read(path)


@pytest.mark.parametrize("field", ["suite", "task", "instruction"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "is missing; expected a text that is not empty"),
        ("", "is ''; expected a text"),
        (["open", "it"], r"is a list, \['open', 'it'\]; expected a text"),
        (b"open it", "is a bytes, b'open it'; expected a text"),
        ("\ud800", "which is no valid Unicode"),
    ],
)
def test_a_demonstration_has_words(field, value, message):
    with pytest.raises(DemoFieldError, match=f"{field}: .*{message}"):
        example_demo(**(SMALL | {field: value}))
