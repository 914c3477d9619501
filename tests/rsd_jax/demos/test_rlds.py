import pickle
import shutil

import pytest

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.rlds import RldsDemos
from rsd_jax.demos.rlds.example import parse_example
from rsd_jax.demos.rlds.tfrecord import find_records, masked_crc, read_record
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES
from rsd_jax.demos.task_names import TaskNaming
from tests.rsd_jax.demos.dataset_edits import (
    SHARD,
    change_byte,
    edit_json,
    rewrite_first_record,
    second_record,
    step_features,
)
from tests.rsd_jax.demos.golden.golden_episodes import TASKS
from tests.rsd_jax.demos.golden_datasets import RLDS, assert_is_golden


@pytest.mark.parametrize("path", [RLDS, RLDS / "1.0.0"])
def test_a_build_of_tensorflow_datasets_holds_what_was_put_in(path):
    dataset = RldsDemos.open(path)
    assert len(dataset) == 2
    assert {demo.task for demo in dataset} == set(TASKS)
    for demo in dataset:
        assert_is_golden(demo, image_tolerance=0.8)  # JPEG


def test_a_dataset_can_be_sent_to_another_process():
    dataset = pickle.loads(pickle.dumps(RldsDemos.open(RLDS)))
    assert_is_golden(dataset[1], image_tolerance=0.8)


def test_the_latest_version_is_taken(build):
    shutil.copytree(build, build.parent / "1.10.0")
    shutil.copytree(build, build.parent / "1.9.0")
    assert RldsDemos.open(build.parent).build.folder.name == "1.10.0"


def test_conventions_and_suite_are_those_declared():
    dataset = RldsDemos.open(RLDS, AS_LIBERO_STORES, TaskNaming("libero_goal"))
    assert dataset[0].suite == "libero_goal"
    upright = RldsDemos.open(RLDS)[0]
    assert (dataset[0].agentview == upright.agentview[:, ::-1, ::-1]).all()


def test_the_checksum_is_that_of_the_format():
    """``tf.io.TFRecordWriter`` writes these four bytes before an empty record's content: the crc of eight zeros."""
    assert masked_crc(bytes(8)).to_bytes(4, "little").hex() == "29039807"
    assert masked_crc(b"") == 0xA282EAD8


DAMAGES = {
    "cut within the last record": (
        lambda build: (build / SHARD).write_bytes((build / SHARD).read_bytes()[:-100]),
        rf"{SHARD}: record 1: content: needs \d+ bytes, .* truncated",
    ),
    "cut within a header": (
        lambda build: (build / SHARD).write_bytes((build / SHARD).read_bytes() + b"12345"),
        f"{SHARD}: record 2: content: the file ends within the record's header",
    ),
    "cut between records": (
        lambda build: (build / SHARD).write_bytes(
            (build / SHARD).read_bytes()[: second_record(build / SHARD).offset - 12]
        ),
        rf"{SHARD}: all episodes: records: 1 are there, dataset_info.json tells 2",
    ),
    "length changed": (
        lambda build: change_byte(build / SHARD, 0),
        f"{SHARD}: record 0: content: its length does not match its checksum",
    ),
    "content changed": (
        lambda build: change_byte(build / SHARD, second_record(build / SHARD).offset + 1000),
        rf"{SHARD}: episode 1 \(record 1\): content: .* does not match its checksum \(crc32c\)",
    ),
    "shard missing": (lambda build: (build / SHARD).unlink(), f"{SHARD}: all episodes: file: is missing"),
    "features missing": (
        lambda build: (build / "features.json").unlink(),
        "features.json: all episodes: file: is mis",
    ),
    "features cut": (
        lambda build: (build / "features.json").write_text("{"),
        "features.json: .* content: is not JSON",
    ),
    "split missing": (
        lambda build: edit_json(build / "dataset_info.json", lambda info: info["splits"][0].update(name="val")),
        r"dataset_info.json: all episodes: splits: has no 'train'; found \['val'\]",
    ),
    "other file format": (
        lambda build: edit_json(build / "dataset_info.json", lambda info: info.update(fileFormat="riegeli")),
        "fileFormat: is 'riegeli'; only 'tfrecord' can be read",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_build_is_named_with_episode_and_field(build, name):
    damage, message = DAMAGES[name]
    damage(build)
    with pytest.raises(DemoFileError, match=message) as raised:
        list(RldsDemos.open(build))
    assert str(build) in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda step: step.pop("action"), r"episode 0 \(record 0\): steps/action: is missing; features.json has"),
        (
            lambda step: step["action"]["tensor"]["shape"].update(dimensions=["5"]),
            r"steps/action: has \d+ values, which are no whole steps of the shape \(5,\)",
        ),
        (
            lambda step: step["observation"]["featuresDict"]["features"]["image"]["image"]["shape"].update(
                dimensions=["128", "128", "3"]
            ),
            r"steps/observation/image: of step 0 is \(256, 256, 3\); features.json tells \(128, 128, 3\)",
        ),
        (
            lambda step: step.update(action={"image": {"shape": {}}}),
            "steps/action: is of the kind 'image'; expected 'tensor'",
        ),
        (lambda step: step.update(action={"audio": {}}), r"features.json: .* steps/action: has a type that cannot be"),
        (
            lambda step: step.update(action=step["observation"]["featuresDict"]["features"]["state"]),
            r"steps/action: has \d+ values",
        ),
    ],
)
def test_features_that_do_not_fit_the_records_are_named(build, change, message):
    edit_json(build / "features.json", lambda content: change(step_features(content)))
    with pytest.raises(DemoFileError, match=message):
        list(RldsDemos.open(build))


def test_an_image_that_cannot_be_decoded_is_named_with_its_step(build):
    rewrite_first_record(build, lambda record: record.replace(b"\xff\xd8\xff", b"\x00\x00\x00", 1))
    with pytest.raises(DemoFileError, match=r"episode 0 .*: steps/observation/\w+: of step 0 cannot be decoded"):
        list(RldsDemos.open(build))


def test_a_value_that_is_not_finite_is_named(build):
    nan = b"\x00\x00\xc0\x7f"
    first = parse_example(read_record(build / SHARD, next(find_records(build / SHARD))))["steps/action"][:1].tobytes()
    rewrite_first_record(build, lambda record: record.replace(first, nan, 1))
    with pytest.raises(DemoFileError, match=r"episode 0 .*: steps/action: is nan at \[0, 0\]; every value must be"):
        list(RldsDemos.open(build))


def test_a_record_that_is_no_example_is_named(build):
    rewrite_first_record(build, lambda record: b"\x0a\xff" + record)
    with pytest.raises(DemoFileError, match=r"episode 0 .*: record: is no tf.train.Example"):
        list(RldsDemos.open(build))


def test_a_folder_that_is_no_build_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no RLDS build at .*: neither it nor a version below it has"):
        RldsDemos.open(tmp_path)
