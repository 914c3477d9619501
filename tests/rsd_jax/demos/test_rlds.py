import pickle
import shutil

import pytest

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.rlds import RldsDemos
from rsd_jax.demos.rlds.example import parse_example
from rsd_jax.demos.rlds.tfrecord import find_records, masked_crc, read_record
from rsd_jax.demos.source_conventions import AS_LIBERO_STORES
from rsd_jax.demos.task_names import TaskNaming
from tests.rsd_jax.demos.dataset_edits import edit_json
from tests.rsd_jax.demos.golden.golden_episodes import TASKS
from tests.rsd_jax.demos.golden_datasets import RLDS, assert_is_golden

SHARD = "libero_spatial_no_noops-train.tfrecord-00000-of-00001"


@pytest.fixture
def build(tmp_path):
    shutil.copytree(RLDS / "1.0.0", tmp_path / "libero_spatial_no_noops" / "1.0.0")
    return tmp_path / "libero_spatial_no_noops" / "1.0.0"


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


def _change(path, offset, value=None):
    content = bytearray(path.read_bytes())
    content[offset] = content[offset] ^ 0xFF if value is None else value
    path.write_bytes(content)


def _second_record(shard):
    return list(find_records(shard))[1]


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
            (build / SHARD).read_bytes()[: _second_record(build / SHARD).offset - 12]
        ),
        rf"{SHARD}: all episodes: records: 1 are there, dataset_info.json tells 2",
    ),
    "length changed": (
        lambda build: _change(build / SHARD, 0),
        f"{SHARD}: record 0: content: its length does not match its checksum",
    ),
    "content changed": (
        lambda build: _change(build / SHARD, _second_record(build / SHARD).offset + 1000),
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


def _step(content):
    return content["featuresDict"]["features"]["steps"]["sequence"]["feature"]["featuresDict"]["features"]


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
    edit_json(build / "features.json", lambda content: change(_step(content)))
    with pytest.raises(DemoFileError, match=message):
        list(RldsDemos.open(build))


def test_features_that_are_not_needed_may_be_of_any_type(build):
    label = {"pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel", "classLabel": {}}
    zipped = {"tensor": {"shape": {"dimensions": ["3"]}, "dtype": "float32", "encoding": "zlib"}}

    def add(content):
        content["featuresDict"]["features"]["episode_metadata"]["featuresDict"]["features"]["kind"] = label
        _step(content).update(sound={"audio": {}}, packed=zipped, odd=None, ragged={"sequence": {"length": "3"}})

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
    observation = _step(content)["observation"]["featuresDict"]["features"]
    observation["front"] = observation.pop("image")


def test_images_of_other_names_are_not_left_out_and_are_read_once_declared(build):
    edit_json(build / "features.json", _rename_cameras)
    with pytest.raises(
        DemoFileError, match=r"features.json: all episodes: steps/observation/image: is missing; .*front"
    ):
        RldsDemos.open(build)
    name = b"steps/observation/front"
    _rewrite(build, lambda record: record.replace(b"\x17steps/observation/image", b"\x17" + name))
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
    _change(build / SHARD, _second_record(build / SHARD).offset - 4)
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
    _rewrite(build, lambda record: record.replace(words, change(words)))
    dataset = RldsDemos.open(build)
    with pytest.raises(DemoFileError, match=rf"episode 0 \(record 0\): steps/language_instruction: {message}"):
        dataset[0]
    assert dataset[1].instruction


def test_an_instruction_that_changes_within_an_episode_is_refused(build):
    words = _instruction(build)
    _rewrite(build, lambda record: record.replace(words, words[::-1], 1))
    with pytest.raises(
        DemoFileError, match=r"steps/language_instruction: is .* and .*; one is expected for all steps"
    ):
        RldsDemos.open(build)[0]


def _instruction(build):
    record = read_record(build / SHARD, next(find_records(build / SHARD)))
    return parse_example(record)["steps/language_instruction"][0]


def test_sizes_that_may_be_any_are_read(build):
    def change(content):
        image = _step(content)["observation"]["featuresDict"]["features"]["image"]["image"]
        image["shape"]["dimensions"] = ["-1", "-1", "3"]

    edit_json(build / "features.json", change)
    assert_is_golden(RldsDemos.open(build)[0], image_tolerance=0.8)
    edit_json(
        build / "features.json", lambda content: _step(content)["action"]["tensor"]["shape"].update(dimensions=["-1"])
    )
    with pytest.raises(DemoFileError, match=r"steps/action: has \d+ values, which are no whole steps of the shape"):
        RldsDemos.open(build)[0]


def _rewrite(build, change):
    """Changes the content of the first record, with the right checksums."""
    shard = build / SHARD
    places = list(find_records(shard))
    records = [read_record(shard, place) for place in places]
    records[0] = change(records[0])
    content = b""
    for record in records:
        length = len(record).to_bytes(8, "little")
        crcs = (masked_crc(part).to_bytes(4, "little") for part in (length, record))
        content += length + next(crcs) + record + next(crcs)
    shard.write_bytes(content)


def test_an_image_that_cannot_be_decoded_is_named_with_its_step(build):
    _rewrite(build, lambda record: record.replace(b"\xff\xd8\xff", b"\x00\x00\x00", 1))
    with pytest.raises(DemoFileError, match=r"episode 0 .*: steps/observation/\w+: of step 0 cannot be decoded"):
        list(RldsDemos.open(build))


def test_a_value_that_is_not_finite_is_named(build):
    nan = b"\x00\x00\xc0\x7f"
    first = parse_example(read_record(build / SHARD, next(find_records(build / SHARD))))["steps/action"][:1].tobytes()
    _rewrite(build, lambda record: record.replace(first, nan, 1))
    with pytest.raises(DemoFileError, match=r"episode 0 .*: steps/action: is nan at \[0, 0\]; every value must be"):
        list(RldsDemos.open(build))


def test_a_record_that_is_no_example_is_named(build):
    _rewrite(build, lambda record: b"\x0a\xff" + record)
    with pytest.raises(DemoFileError, match=r"episode 0 .*: record: is no tf.train.Example"):
        list(RldsDemos.open(build))


def test_a_folder_that_is_no_build_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no RLDS build at .*: neither it nor a version below it has"):
        RldsDemos.open(tmp_path)
