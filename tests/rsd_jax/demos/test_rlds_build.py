"""RLDS builds as others leave them: other features, splits and names, descriptions that tell little."""

import pytest

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.rlds import RldsDemos
from rsd_jax.demos.rlds.example import parse_example
from rsd_jax.demos.rlds.tfrecord import find_records, read_record
from tests.rsd_jax.demos.dataset_edits import (
    SHARD,
    change_byte,
    edit_json,
    rewrite_first_record,
    second_record,
    step_features,
)
from tests.rsd_jax.demos.golden.golden_episodes import TASKS
from tests.rsd_jax.demos.golden_datasets import assert_is_golden


def test_features_that_are_not_needed_may_be_of_any_type(build):
    label = {"pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel", "classLabel": {}}
    zipped = {"tensor": {"shape": {"dimensions": ["3"]}, "dtype": "float32", "encoding": "zlib"}}

    def add(content):
        content["featuresDict"]["features"]["episode_metadata"]["featuresDict"]["features"]["kind"] = label
        step_features(content).update(
            sound={"audio": {}}, packed=zipped, odd=None, ragged={"sequence": {"length": "3"}}
        )

    edit_json(build / "features.json", add)
    assert {demo.task for demo in RldsDemos.open(build)} == set(TASKS)


def test_a_file_path_of_an_unknown_type_is_not_needed_either(build):
    def change(content):
        content["featuresDict"]["features"]["episode_metadata"]["featuresDict"]["features"]["file_path"] = {
            "label": {}
        }

    edit_json(build / "features.json", change)
    assert RldsDemos.open(build)[0].suite == "libero_spatial"


def _rename_cameras(content):
    observation = step_features(content)["observation"]["featuresDict"]["features"]
    observation["front"] = observation.pop("image")


def test_images_of_other_names_are_not_left_out_and_are_read_once_declared(build):
    edit_json(build / "features.json", _rename_cameras)
    with pytest.raises(
        DemoFileError, match=r"features.json: all episodes: steps/observation/image: is missing; .*front"
    ):
        RldsDemos.open(build)
    name = b"steps/observation/front"
    rewrite_first_record(build, lambda record: record.replace(b"\x17steps/observation/image", b"\x17" + name))
    assert_is_golden(RldsDemos.open(build, agentview_key=name.decode())[0], image_tolerance=0.8)
    with pytest.raises(DemoFileError, match="steps/observation/back: is missing"):
        RldsDemos.open(build, agentview_key=name.decode(), wrist_key="steps/observation/back")
    with pytest.raises(DemoFileError, match="is both agentview_key and wrist_key"):
        RldsDemos.open(build, agentview_key=name.decode(), wrist_key=name.decode())


def test_another_split_is_read_where_it_is_declared(build):
    edit_json(build / "dataset_info.json", lambda info: info["splits"][0].update(name="val"))
    (build / SHARD).rename(build / SHARD.replace("train", "val"))
    assert len(RldsDemos.open(build, split="val")) == 2
    with pytest.raises(
        DemoFileError, match=r"has no 'train'; found \['val'\]. Choose one: .*config.source.split=NAME"
    ):
        RldsDemos.open(build)


def _drop_lengths(build):
    edit_json(build / "dataset_info.json", lambda info: info["splits"][0].pop("shardLengths"))


def test_records_are_counted_where_the_description_does_not_tell_them(build):
    _drop_lengths(build)
    assert {demo.task for demo in RldsDemos.open(build)} == set(TASKS)
    (build / SHARD).rename(build / SHARD.replace("00000-of-00001", "00001-of-00002"))
    dataset = RldsDemos.open(build)
    assert len(dataset) == 3
    with pytest.raises(
        DemoFileError, match="00000-of-00002: all episodes: file: is missing; the download is not comp"
    ):
        dataset[0]
    assert {dataset[1].task, dataset[2].task} == set(TASKS)


INFO_DAMAGES = {
    "no lengths and no files": (
        lambda build: (_drop_lengths(build), (build / SHARD).unlink()),
        "shardLengths: is missing or empty, and no files tell",
    ),
    "lengths text": (
        lambda build: edit_json(build / "dataset_info.json", lambda info: info["splits"][0].update(shardLengths="2")),
        "shardLengths: is '2'; expected a list",
    ),
    "length null": (
        lambda build: edit_json(
            build / "dataset_info.json", lambda info: info["splits"][0].update(shardLengths=[None])
        ),
        r"shardLengths\[0\]: is None; expected a whole number",
    ),
    "name missing": (
        lambda build: edit_json(build / "dataset_info.json", lambda info: info.pop("name")),
        "name: is missing",
    ),
    "splits null": (
        lambda build: edit_json(build / "dataset_info.json", lambda info: info.update(splits=None)),
        r"splits: has no 'train'; found \[\]",
    ),
    "no object": (
        lambda build: (build / "dataset_info.json").write_text("[1]"),
        r"content: is \[1\]; expected an obj",
    ),
    "more records than told": (
        lambda build: edit_json(
            build / "dataset_info.json", lambda info: info["splits"][0].update(shardLengths=["1"])
        ),
        "records: 2 are there, dataset_info.json tells 1",
    ),
}


@pytest.mark.parametrize("name", INFO_DAMAGES)
def test_a_description_that_does_not_tell_where_records_are_is_refused_when_opened(build, name):
    damage, message = INFO_DAMAGES[name]
    damage(build)
    with pytest.raises(DemoFileError, match=message) as raised:
        RldsDemos.open(build)
    assert str(build) in str(raised.value)


def test_a_damaged_record_is_the_error_of_its_episode(build):
    change_byte(build / SHARD, second_record(build / SHARD).offset - 4)
    dataset = RldsDemos.open(build)
    assert len(dataset) == 2
    assert_is_golden(dataset[0], image_tolerance=0.8)
    with pytest.raises(DemoFileError, match="record 1: content: its length does not match its checksum"):
        dataset[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: b" " * len(words), "is '  *'; expected a text that is not empty"),
        (lambda words: b"\xff" * len(words), "is not UTF-8"),
    ],
)
def test_an_instruction_that_is_none_is_refused_for_its_episode(build, change, message):
    words = _instruction(build)
    rewrite_first_record(build, lambda record: record.replace(words, change(words)))
    dataset = RldsDemos.open(build)
    with pytest.raises(DemoFileError, match=rf"episode 0 \(record 0\): steps/language_instruction: {message}"):
        dataset[0]
    assert dataset[1].instruction


def test_an_instruction_that_changes_within_an_episode_is_refused(build):
    words = _instruction(build)
    rewrite_first_record(build, lambda record: record.replace(words, words[::-1], 1))
    with pytest.raises(
        DemoFileError, match=r"steps/language_instruction: is .* and .*; one is expected for all steps"
    ):
        RldsDemos.open(build)[0]


def _instruction(build):
    record = read_record(build / SHARD, next(find_records(build / SHARD)))
    return parse_example(record)["steps/language_instruction"][0]


def test_sizes_that_may_be_any_are_read(build):
    def change(content):
        image = step_features(content)["observation"]["featuresDict"]["features"]["image"]["image"]
        image["shape"]["dimensions"] = ["-1", "-1", "3"]

    edit_json(build / "features.json", change)
    assert_is_golden(RldsDemos.open(build)[0], image_tolerance=0.8)
    edit_json(
        build / "features.json",
        lambda content: step_features(content)["action"]["tensor"]["shape"].update(dimensions=["-1"]),
    )
    with pytest.raises(DemoFileError, match=r"steps/action: has \d+ values, which are no whole steps of the shape"):
        RldsDemos.open(build)[0]
