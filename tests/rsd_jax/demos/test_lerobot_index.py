"""Descriptions and indices of LeRobot datasets as others leave them: stale, incomplete, damaged."""

import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.lerobot import LeRobotDemos
from rsd_jax.demos.task_names import TaskNaming
from tests.rsd_jax.demos.dataset_edits import edit_json, edit_lines, edit_rows, replace_column
from tests.rsd_jax.demos.golden.golden_episodes import SUITE, TASKS
from tests.rsd_jax.demos.golden_datasets import assert_is_golden

NAMING = TaskNaming(SUITE)
MP4 = 1.6
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
DATA = "data/chunk-000/file-000.parquet"
CAMERA, WRIST = "observation.images.image", "observation.images.image2"


def _open(root, **options):
    return LeRobotDemos.open(root, naming=NAMING, **options)


def _without_videos(root):
    """Drops the cameras, so that a test need not decode them."""
    edit_json(root / "meta/info.json", lambda info: [info["features"].pop(key) for key in (CAMERA, WRIST)])


INFO_DAMAGES = {
    "fps null": ({"fps": None}, "fps: is None; expected a number"),
    "fps 0": ({"fps": 0}, "fps: is 0; expected a rate above 0"),
    "fps text": ({"fps": "10"}, "fps: is '10'; expected a number"),
    "fps nan": ({"fps": float("nan")}, "fps: is nan; expected a number"),
    "features null": ({"features": None}, "features: is None; expected an object with names"),
    "data path null": ({"data_path": None}, "data_path: is None; expected a text"),
    "video path null": ({"video_path": None}, "video_path: is None; expected a text"),
    "video path of another version": (
        {"video_path": "videos/{episode}.mp4"},
        r"video_path: is 'videos/\{episode\}.mp4'; expected a pattern of .*video_key",
    ),
    "version null": ({"codebase_version": None}, "codebase_version: is None; v2.0, v2.1, v3.0 can be read"),
}


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("name", INFO_DAMAGES)
def test_a_description_that_tells_nothing_is_refused_when_opened(request, version, name):
    root = request.getfixturevalue(version)
    changes, message = INFO_DAMAGES[name]
    edit_json(root / "meta/info.json", lambda info: info.update(changes))
    with pytest.raises(DemoFileError, match=f"{root}/meta/info.json: all episodes: {message}"):
        _open(root)


@pytest.mark.parametrize("size", [None, 0, "x"])
def test_a_size_of_chunks_that_is_none_is_refused_when_opened(v2, size):
    edit_json(v2 / "meta/info.json", lambda info: info.update(chunks_size=size))
    with pytest.raises(DemoFileError, match=f"chunks_size: is {size!r}; expected a whole number of at least 1"):
        _open(v2)


@pytest.mark.parametrize("content", ["[]", '"text"', "9" * 5000, "[" * 100_000])
def test_a_description_that_is_no_object_is_refused_when_opened(v3, content):
    (v3 / "meta/info.json").write_text(content)
    with pytest.raises(DemoFileError, match=r"meta/info.json: all episodes: content: is .*"):
        _open(v3)


ENTRY_DAMAGES = {
    "file null": (f"videos/{WRIST}/file_index", None, "is None; expected a whole number of at least 0"),
    "chunk null": ("data/chunk_index", None, "is None; expected a whole number"),
    "file negative": ("data/file_index", -1, "is -1; expected a whole number of at least 0"),
    "length null": ("length", None, "is None; expected a whole number"),
    "start null": (f"videos/{CAMERA}/from_timestamp", None, "is None; expected a number"),
    "start not finite": (f"videos/{CAMERA}/from_timestamp", float("nan"), "is nan; expected a number"),
    "end not finite": (f"videos/{CAMERA}/to_timestamp", float("inf"), "is inf; expected a number"),
}


@pytest.mark.parametrize("name", ENTRY_DAMAGES)
def test_a_damaged_entry_of_the_index_is_the_error_of_its_episode(v3, name):
    column, value, message = ENTRY_DAMAGES[name]
    edit_rows(v3 / EPISODES, lambda rows: rows[0].update({column: value}))
    dataset = _open(v3)
    assert len(dataset) == 2
    with pytest.raises(DemoFileError, match=f"{EPISODES}: episode 0: {column}: {message}"):
        dataset[0]
    if "null" in name:
        assert_is_golden(dataset[1], MP4)


def test_entries_without_a_number_or_with_anothers_keep_their_places(v2):
    _without_videos(v2)
    edit_lines(v2 / "meta/episodes.jsonl", lambda lines: lines.extend([lines[1], {"length": 6}, {"episode_index": 7}]))
    dataset = _open(v2)
    assert len(dataset) == 5
    assert dataset[0].task == TASKS[0]
    for index, message in [
        (1, "episode 1: episode_index: is that of 2 episodes"),
        (2, "episode 1: episode_index: is that of 2 episodes"),
        (3, "episode 7: length: is missing"),
        (4, "entry 3 of the index: episode_index: is missing"),
    ]:
        with pytest.raises(DemoFileError, match=message):
            dataset[index]


def test_an_episode_without_steps_is_the_error_of_that_episode(v2, v3):
    edit_lines(v2 / "meta/episodes.jsonl", lambda lines: lines[1].update(length=0))
    with pytest.raises(DemoFileError, match="episode 1: length: is 0; a demonstration has at least one step"):
        _open(v2)[1]
    path = v3 / DATA
    pq.write_table(pq.read_table(path).slice(6), path)
    dataset = _open(v3)
    with pytest.raises(DemoFileError, match=r"episode 0: length: has 0 rows; .* tells 6, and no other file has them"):
        dataset[0]
    assert_is_golden(dataset[1], MP4)


def _split_rows(root):
    table = pq.read_table(root / DATA)
    pq.write_table(table.slice(0, 6), root / DATA)
    pq.write_table(table.slice(6), root / DATA.replace("000.parquet", "001.parquet"))


def test_rows_are_found_in_another_file_than_the_index_names(v3, caplog):
    _split_rows(v3)
    with caplog.at_level(logging.WARNING):
        assert_is_golden(_open(v3)[1], MP4)
    assert "file-000.parquet: episode 1: its rows are not here, where the index puts them, but in" in caplog.text
    (v3 / DATA).rename(v3 / "data/chunk-000/file-007.parquet")
    with caplog.at_level(logging.WARNING):
        assert_is_golden(_open(v3)[0], MP4)
    (v3 / "data/more").mkdir()
    (v3 / "data/more/file-000.parquet").write_bytes((v3 / "data/chunk-000/file-001.parquet").read_bytes())
    with pytest.raises(DemoFileError, match=r"episode 1: length: has 0 rows; 2 other files have some: .*more"):
        _open(v3)[1]


@pytest.mark.parametrize("total", [4, 1, None])
def test_a_stale_total_is_said_and_what_is_listed_is_read(v3, caplog, total):
    edit_json(v3 / "meta/info.json", lambda info: info.update(total_episodes=total))
    with caplog.at_level(logging.WARNING):
        dataset = _open(v3)
    assert f"total_episodes is {total}, but 2 are listed" in caplog.text
    assert_is_golden(dataset[1], MP4)


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0c"])
def test_a_line_ends_at_a_line_feed_alone(v2, character):
    _without_videos(v2)
    text = f"open the{character}drawer"
    lines = [{"task_index": index, "task": text} for index in range(2)]
    content = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (v2 / "meta/tasks.jsonl").write_bytes(content.replace("\\u0085", "\x85").encode())
    assert _open(v2)[0].instruction == text


@pytest.mark.parametrize("value", [None, "", "  ", ["p", "q"], 5])
def test_an_instruction_that_is_none_is_refused_for_its_episodes(v2, value):
    _without_videos(v2)
    edit_lines(v2 / "meta/tasks.jsonl", lambda lines: lines[0].update(task=value))
    dataset = _open(v2)
    message = r"tasks.jsonl: episode 0: task of task_index 0: is .*; expected a text that is not empty"
    with pytest.raises(DemoFileError, match=message):
        dataset[0]
    assert dataset[1].task == TASKS[1]


def test_an_instruction_that_is_missing_or_not_single_is_refused_for_its_episodes(v2, caplog):
    _without_videos(v2)
    path = v2 / "meta/tasks.jsonl"
    edit_lines(path, lambda lines: lines[0].pop("task"))
    with pytest.raises(DemoFileError, match="episode 0: task of task_index 0: is None; expected a text"):
        _open(v2)[0]
    edit_lines(path, lambda lines: lines.append({"task_index": 1, "task": "another"}))
    with pytest.raises(DemoFileError, match=r"episode 1: task of task_index 1: is .*, 'another'.; expected a text"):
        _open(v2)[1]
    edit_lines(path, lambda lines: lines[0].update(task_index=None))
    with caplog.at_level(logging.WARNING), pytest.raises(DemoFileError, match=r"episode 0: task_index: is \[0\]"):
        _open(v2)[0]
    assert "tasks.jsonl: task_index of entry 0 is None; expected a whole number" in caplog.text


def test_a_table_of_tasks_without_instructions_is_refused_when_opened(v3):
    path = v3 / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path).select(["task_index"]), path)
    with pytest.raises(DemoFileError, match=r"tasks.parquet: all episodes: task: is missing; found \['task_index'\]"):
        _open(v3)


def test_a_text_that_is_not_utf8_is_named_with_file_and_column(v3):
    _without_videos(v3)
    bad = pa.StringArray.from_buffers(2, pa.array([0, 4, 8], pa.int32()).buffers()[1], pa.py_buffer(b"op\xffngood"))
    table = pa.table({"task_index": [0, 1], "task": bad})
    pq.write_table(table, v3 / "meta/tasks.parquet")
    dataset = _open(v3)
    with pytest.raises(DemoFileError, match=r"tasks.parquet: episode 0: task of task_index 0: is not UTF-8 \(.*0xff"):
        dataset[0]
    assert dataset[1].instruction == "good"


VALUE_DAMAGES = {
    "task null": ("task_index", [None] * 6 + [1] * 7, pa.int64(), r"task_index: is \[None\]; expected the number of"),
    "task text": ("task_index", ["a"] * 13, pa.string(), r"task_index: is \['a'\]; expected the number of one task"),
    "tasks several": ("task_index", [0, 1] + [0] * 11, pa.int64(), r"task_index: is \[0, 1\]; expected the number"),
    "frame twice": ("frame_index", [0, 0, *range(11)], pa.int64(), r"frame_index: is \[0, 0, .*; expected whole"),
    "frame null": ("frame_index", [None] * 13, pa.int64(), r"frame_index: is \[None.*; expected whole numbers"),
    "time null": ("timestamp", [0.0, None] * 6 + [0.0], pa.float32(), "timestamp: of step 1 is None; expected a num"),
    "time text": ("timestamp", ["x"] * 13, pa.string(), "timestamp: of step 0 is 'x'; expected a number"),
    "time late": ("timestamp", [0.1] * 13, pa.float32(), f"{CAMERA}: .*5 steps have no frame at their time: step 0"),
    "null in a vector": ("action", [[0.0] * 6 + [None]] * 13, pa.list_(pa.float32()), "action: "),
    "texts": ("action", [["a"] * 7] * 13, pa.list_(pa.string()), "action: holds what is no number"),
    "nested": ("action", [[[0.0]] * 7] * 13, pa.list_(pa.list_(pa.float32())), r"action: holds rows of the shape"),
    "episode text": ("episode_index", ["0"] * 13, pa.string(), "episode_index: is a column of string; expected whole"),
}


@pytest.mark.parametrize("name", VALUE_DAMAGES)
def test_rows_that_hold_no_steps_are_named(v3, name):
    column, values, kind, message = VALUE_DAMAGES[name]
    replace_column(v3 / DATA, column, values, kind)
    with pytest.raises(DemoFileError, match=f"{DATA}: episode 0: {message}"):
        _open(v3)[0]


def test_features_that_are_not_needed_may_be_of_any_type(v3):
    _without_videos(v3)
    extra = {"touch": {"dtype": "point_cloud"}, "sound": {}, "notes": None, "depth.map": "what"}
    edit_json(v3 / "meta/info.json", lambda info: info["features"].update(extra))
    table = pq.read_table(v3 / DATA)
    bad = pa.array([b"\xff"] * 13, pa.binary()).view(pa.binary())
    odd = pa.array([{"a": [1, None]}] * 13)
    pq.write_table(table.append_column("touch", odd).append_column("notes", bad), v3 / DATA)
    edit_rows(v3 / EPISODES, lambda rows: [row.update(note={"of": ["others"]}) for row in rows])
    assert [demo.task for demo in _open(v3)] == list(TASKS)


def test_a_camera_whose_type_is_unknown_is_not_left_out(v3):
    edit_json(v3 / "meta/info.json", lambda info: [info["features"][key].pop("dtype") for key in (CAMERA, WRIST)])
    with pytest.raises(DemoFileError, match=r"features: are .*images among them \[\]; known are"):
        _open(v3)


def _rename_cameras(root):
    names = {CAMERA: "observation.images.front", WRIST: "observation.images.wrist"}
    for old, new in names.items():
        (root / "videos" / old).rename(root / "videos" / new)

    def rename(content):
        return {names.get(key, key): value for key, value in content.items()}

    edit_json(root / "meta/info.json", lambda info: info.update(features=rename(info["features"])))
    table = pq.read_table(root / EPISODES)
    columns = [name.replace(CAMERA + "/", names[CAMERA] + "/") for name in table.column_names]
    columns = [name.replace(WRIST + "/", names[WRIST] + "/") for name in columns]
    pq.write_table(table.rename_columns(columns), root / EPISODES)
    return {"agentview_key": names[CAMERA], "wrist_key": names[WRIST]}


def test_cameras_of_other_names_are_read_once_declared(v3):
    keys = _rename_cameras(v3)
    with pytest.raises(DemoFileError, match=r"features: are .*known are .*Declare other names by agentview_key"):
        _open(v3)
    for demo in _open(v3, **keys):
        assert_is_golden(demo, MP4)
    for wrong, message in [
        ({"agentview_key": "front"}, r"agentview_key='front' must be one of \['observation.images.front'"),
        ({"agentview_key": "action"}, "agentview_key='action' must be one of"),
        ({"state_key": "joints"}, "state_key='joints' must be one of"),
        ({"wrist_key": keys["agentview_key"]}, "agentview_key and wrist_key are both"),
    ]:
        with pytest.raises(DemoFileError, match=message):
            _open(v3, **(keys | wrong))


def test_rows_are_in_order_of_their_frames(v3):
    _without_videos(v3)
    order = np.random.default_rng(0).permutation(13)
    table = pq.read_table(v3 / DATA)
    pq.write_table(table.take(order), v3 / DATA)
    expected = table["action"].to_pylist()[:6]
    np.testing.assert_array_equal(_open(v3)[0].actions, np.array(expected, np.float32))
