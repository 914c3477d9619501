import io
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.lerobot import LeRobotDemos
from rsd_jax.demos.task_names import TaskName, TaskNaming
from tests.rsd_jax.demos.dataset_edits import edit_json, replace_column
from tests.rsd_jax.demos.golden.golden_episodes import SUITE, TASKS, golden_episode
from tests.rsd_jax.demos.golden_datasets import GOLDEN, assert_is_golden

NAMING = TaskNaming(SUITE)
MP4 = 1.6
"""Mean difference of pixels, of 255, that LeRobot's usual coding (AV1, crf 30, half the colours) may leave."""


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_dataset_of_lerobot_holds_what_was_put_in(version):
    dataset = LeRobotDemos.open(GOLDEN / f"lerobot_{version}", naming=NAMING)
    assert [demo.task for demo in dataset] == list(TASKS)
    for demo in dataset:
        assert_is_golden(demo, MP4)
    assert_is_golden(pickle.loads(pickle.dumps(dataset))[1], MP4)


def test_tasks_are_found_by_their_instruction():
    names = {task.replace("_", " "): TaskName("libero_goal", f"SCENE_{task}") for task in TASKS}
    dataset = LeRobotDemos.open(GOLDEN / "lerobot_v3.0", naming=TaskNaming(None, names))
    assert (dataset[1].suite, dataset[1].task) == ("libero_goal", f"SCENE_{TASKS[1]}")
    with pytest.raises(DemoFileError, match=r"episode 0: suite: is not told .* declare the suite"):
        LeRobotDemos.open(GOLDEN / "lerobot_v3.0")[0]


def test_encoded_images_in_the_table_and_other_names_are_read(v2):
    """As openpi's converter writes them: ``image``, ``wrist_image``, ``state``, ``actions``, no videos."""
    names = {
        "observation.images.image": "image",
        "observation.images.image2": "wrist_image",
        "observation.state": "state",
        "action": "actions",
    }
    edit_json(
        v2 / "meta/info.json",
        lambda info: info.update(
            video_path=None,
            features={names.get(key, key): feature for key, feature in info["features"].items()}
            | {key: {"dtype": "image", "shape": [256, 256, 3]} for key in ("image", "wrist_image")},
        ),
    )
    for index, path in enumerate(sorted((v2 / "data").glob("*/*.parquet"))):
        table = pq.read_table(path)
        table = table.rename_columns([names.get(name, name) for name in table.column_names])
        episode = golden_episode(index)
        for key, frames in (("image", episode.agentview), ("wrist_image", episode.wrist)):
            images = [{"bytes": _png(frame), "path": None} for frame in frames]
            table = table.append_column(key, pa.array(images))
        pq.write_table(table.take(np.arange(len(table))[::-1]), path)  # rows in any order
    dataset = LeRobotDemos.open(v2, naming=NAMING)
    assert len(dataset) == 2
    for demo in dataset:
        assert_is_golden(demo, image_tolerance=0.6)  # the halves that are rounded up
    _spoil_image(path, b"no image")
    with pytest.raises(DemoFileError, match="episode 1: image: of step 6 cannot be decoded"):
        dataset[1]
    _spoil_image(path, _png(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(DemoFileError, match=r"image: of step 6 is \(8, 8, 3\); that of step 0 is \(256, 256, 3\)"):
        dataset[1]


def _spoil_image(path, content):
    """Replaces the first row, which the test above made the last step."""
    rows = pq.read_table(path)["image"].to_pylist()
    replace_column(path, "image", [{"bytes": content, "path": None}, *rows[1:]])


def _png(frame):
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "png")
    return content.getvalue()


def _halve(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


V2_DATA = "data/chunk-000/episode_000001.parquet"
V2_VIDEO = "videos/chunk-000/observation.images.image/episode_000001.mp4"
V3_DATA = "data/chunk-000/file-000.parquet"
V3_VIDEO = "videos/observation.images.image2/chunk-000/file-000.mp4"
V3_EPISODES = "meta/episodes/chunk-000/file-000.parquet"

V2_DAMAGES = {
    "table missing": (lambda root: (root / V2_DATA).unlink(), f"{V2_DATA}: episode 1: file: is missing"),
    "table cut": (lambda root: _halve(root / V2_DATA), f"{V2_DATA}: episode 1: file: is truncated or no parquet"),
    "video missing": (
        lambda root: (root / V2_VIDEO).unlink(),
        f"{V2_DATA}: episode 1: observation.images.image: .*{V2_VIDEO} is missing",
    ),
    "video cut": (
        lambda root: _halve(root / V2_VIDEO),
        f"episode 1: observation.images.image: .*{V2_VIDEO} cannot be decoded",
    ),
    "video of another episode": (
        lambda root: shutil.copy(root / V2_VIDEO.replace("1.mp4", "0.mp4"), root / V2_VIDEO),
        "episode 1: observation.images.image: .* lacks the frames of 1 steps, the first is 6",
    ),
    "not finite": (
        lambda root: replace_column(root / V2_DATA, "action", [[np.nan] * 7] * 7),
        r"episode 1: action: is nan at \[0, 0\]",
    ),
    "wrong width": (
        lambda root: replace_column(root / V2_DATA, "observation.state", [[0.0] * 9] * 7, pa.list_(pa.float32())),
        r"episode 1: observation.state: is float32 \(7, 9\); expected float32 \(7, 8\)",
    ),
    "rows of different lengths": (
        lambda root: replace_column(root / V2_DATA, "action", [[0.0] * 7] * 6 + [[0.0]], pa.list_(pa.float32())),
        "episode 1: action: holds rows that are no vectors of one length",
    ),
    "column missing": (
        lambda root: pq.write_table(pq.read_table(root / V2_DATA).drop_columns("action"), root / V2_DATA),
        "episode 1: action: is missing",
    ),
    "too few rows": (
        lambda root: pq.write_table(pq.read_table(root / V2_DATA).slice(0, 4), root / V2_DATA),
        "episode 1: length: has 4 rows; the table of episodes tells 7",
    ),
    "unknown task": (
        lambda root: replace_column(root / V2_DATA, "task_index", [5] * 7),
        r"episode 1: task_index: is \[5\]; expected one of \[0, 1\]",
    ),
    "tasks missing": (
        lambda root: (root / "meta/tasks.jsonl").unlink(),
        "tasks.jsonl: all episodes: file: is missing",
    ),
    "episodes cut": (
        lambda root: (root / "meta/episodes.jsonl").write_text('{"episode_index": 0, '),
        "episodes.jsonl: all episodes: content: is not JSON",
    ),
    "unknown version": (
        lambda root: edit_json(root / "meta/info.json", lambda info: info.update(codebase_version="v1.6")),
        "codebase_version: is 'v1.6'; v2.0, v2.1, v3.0 can be read",
    ),
    "unknown features": (
        lambda root: edit_json(root / "meta/info.json", lambda info: info["features"].pop("action")),
        "info.json: all episodes: features: are .*; known are",
    ),
    "a key missing": (
        lambda root: edit_json(root / "meta/info.json", lambda info: info.pop("fps")),
        "info.json: all episodes: fps: is missing",
    ),
}
V3_DAMAGES = {
    "table missing": (lambda root: (root / V3_DATA).unlink(), f"{V3_DATA}: episode 0: file: is missing"),
    "table cut": (lambda root: _halve(root / V3_DATA), f"{V3_DATA}: episode 0: file: is truncated"),
    "video missing": (lambda root: (root / V3_VIDEO).unlink(), f"episode 0: .*image2: .*{V3_VIDEO} is missing"),
    "video cut": (lambda root: _halve(root / V3_VIDEO), "episode 0: .*image2: .* cannot be decoded"),
    "tasks cut": (lambda root: _halve(root / "meta/tasks.parquet"), "tasks.parquet: all episodes: file: is truncated"),
    "episodes missing": (lambda root: (root / V3_EPISODES).unlink(), "meta/episodes: all episodes: file: is missing"),
    "episodes cut": (lambda root: _halve(root / V3_EPISODES), f"{V3_EPISODES}: all episodes: file: is truncated"),
    "column of episodes missing": (
        lambda root: pq.write_table(pq.read_table(root / V3_EPISODES).drop_columns("length"), root / V3_EPISODES),
        "all episodes: length: is missing",
    ),
}


@pytest.mark.parametrize("name", V2_DAMAGES)
def test_a_damaged_dataset_of_version_2_is_named(v2, name):
    damage, message = V2_DAMAGES[name]
    damage(v2)
    with pytest.raises(DemoFileError, match=message) as raised:
        list(LeRobotDemos.open(v2, naming=NAMING))
    assert str(v2) in str(raised.value)


@pytest.mark.parametrize("name", V3_DAMAGES)
def test_a_damaged_dataset_of_version_3_is_named(v3, name):
    damage, message = V3_DAMAGES[name]
    damage(v3)
    with pytest.raises(DemoFileError, match=message) as raised:
        list(LeRobotDemos.open(v3, naming=NAMING))
    assert str(v3) in str(raised.value)


def test_a_folder_that_is_no_dataset_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no LeRobot dataset at .*: it has no meta/info.json"):
        LeRobotDemos.open(tmp_path)
