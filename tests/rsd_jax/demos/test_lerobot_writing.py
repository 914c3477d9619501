import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.lerobot import LeRobotDemos, LeRobotWriter, VideoCoding, digests
from rsd_jax.demos.lerobot.data_files import _fill_files
from rsd_jax.demos.lerobot.statistics import channel_histograms, image_statistics, vector_statistics
from rsd_jax.demos.lerobot.videos import encode_frames
from rsd_jax.file_digests import file_digest
from tests.rsd_jax.demos.dataset_edits import edit_json
from tests.rsd_jax.demos.demo_examples import WITHOUT_FRAMES, example_demo
from tests.rsd_jax.demos.golden.golden_episodes import golden_episode
from tests.rsd_jax.demos.golden_datasets import GOLDEN, assert_frames_are_close


def _demo(seed, steps=5, **changes):
    """Made-up vectors, frames that a codec can hold."""
    episode = golden_episode(seed % 2)
    frames = {"agentview": episode.agentview[:steps, ::2, ::2], "wrist": episode.wrist[:steps, ::2, ::2]}
    return example_demo(seed, steps, **(frames | {"instruction": f"instruction {seed % 2}"} | changes))


def _write(folder, demos, writer=None):
    writer = writer or LeRobotWriter()
    parts = []
    for index, demo in enumerate(demos):
        parts.append(folder / f"part_{index}")
        parts[-1].mkdir(parents=True)
        writer.write_part(parts[-1], demo)
    target = folder / "dataset"
    target.mkdir()
    writer.assemble(parts, target)
    return target


def test_episodes_read_back_as_they_were_written(tmp_path):
    demos = [_demo(3), _demo(1, steps=2), _demo(2, steps=6)]
    found = list(LeRobotDemos.open(_write(tmp_path, demos)))
    for left, right in zip(found, demos, strict=True):
        for name in ("suite", "task", "instruction", "seed"):
            assert getattr(left, name) == getattr(right, name)
        for name in ("actions", "labels", "proprio"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name), strict=True)
        for frames, written in zip(left.require_frames(), right.require_frames(), strict=True):
            assert_frames_are_close(frames, written, tolerance=1.3)  # most of the colours are left out
        assert left.states is None


def test_episodes_without_frames_read_back(tmp_path):
    demos = [_demo(0, **WITHOUT_FRAMES), _demo(1, **WITHOUT_FRAMES)]
    target = _write(tmp_path, demos)
    assert not (target / "videos").exists()
    assert [demo.has_frames for demo in LeRobotDemos.open(target)] == [False, False]


def test_frames_in_some_episodes_only_are_refused(tmp_path):
    with pytest.raises(ValueError, match="images in all episodes or in none"):
        _write(tmp_path, [_demo(0), _demo(1, **WITHOUT_FRAMES)])


def test_colours_are_exact_where_the_coding_says_so(tmp_path):
    """Lossless H.264 of all colours differs by the rounding of the conversion to luma and chroma alone."""
    coding = VideoCoding(quality=0, pixel_format="yuv444p")
    demo = _demo(0)
    (found,) = LeRobotDemos.open(_write(tmp_path, [demo], LeRobotWriter(coding)))
    assert np.abs(found.wrist.astype(int) - demo.wrist).max() <= 3


def test_files_hold_many_episodes_and_tables_tell_where_they_lie(tmp_path):
    target = _write(tmp_path, [_demo(3), _demo(1, steps=2), _demo(2, steps=6)])
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()) == [
        "data/chunk-000/file-000.parquet",
        "meta/digests.json",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "videos/observation.images.image/chunk-000/file-000.mp4",
        "videos/observation.images.image2/chunk-000/file-000.mp4",
    ]
    rows = pq.read_table(target / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(row["dataset_from_index"], row["dataset_to_index"]) for row in rows] == [(0, 5), (5, 7), (7, 13)]
    assert [row["videos/observation.images.image/from_timestamp"] for row in rows] == [0.0, 0.25, 0.35]
    assert [row["tasks"] for row in rows] == [["instruction 1"], ["instruction 1"], ["instruction 0"]]
    data = pq.read_table(target / "data/chunk-000/file-000.parquet")
    assert data["index"].to_pylist() == list(range(13))
    assert data["episode_index"].to_pylist() == [0] * 5 + [1] * 2 + [2] * 6
    assert data["task_index"].to_pylist() == [0] * 7 + [1] * 6
    assert data["timestamp"].to_pylist()[5:7] == [0.0, pytest.approx(0.05)]
    info = json.loads((target / "meta/info.json").read_text())
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"], info["fps"]) == (3, 13, 2, 20)
    assert info["features"]["observation.images.image"]["info"]["video.codec"] == "h264"
    assert set(json.loads((target / "meta/stats.json").read_text())) == set(info["features"])


def test_a_layout_is_the_same_as_lerobots_own(tmp_path):
    """Every column and key that lerobot writes is there; what is written beyond them is this project's addition."""
    ours, theirs = _write(tmp_path, [_demo(0), _demo(1)]), GOLDEN / "lerobot_v3.0"
    additions = {"data": {"expert_action"}, "meta/episodes": {"suite", "task", "seed"}, "meta": set()}
    for folder, extra in additions.items():
        paths = sorted((theirs / folder).glob("**/*.parquet" if folder != "meta" else "*.parquet"))
        assert paths, folder
        for path in paths:
            schema, expected = (pq.read_schema(root / path.relative_to(theirs)) for root in (ours, theirs))
            names = {name for name in schema.names if not name.startswith("stats/expert_action/")}
            assert names - extra == set(expected.names)
            for name in expected.names:
                if path.name != "tasks.parquet" and not name.startswith("stats/"):  # integers are floats there
                    assert str(schema.field(name).type) == str(expected.field(name).type), name
    ours_info, theirs_info = (json.loads((root / "meta/info.json").read_text()) for root in (ours, theirs))
    assert ours_info.keys() == theirs_info.keys()
    for name, feature in theirs_info["features"].items():
        assert ours_info["features"][name].keys() == feature.keys()
        assert ours_info["features"][name]["dtype"] == feature["dtype"]
    ours_stats, theirs_stats = (json.loads((root / "meta/stats.json").read_text()) for root in (ours, theirs))
    for name, statistics in theirs_stats.items():
        for key, value in statistics.items():
            if name != "observation.state":
                assert np.shape(ours_stats[name][key]) == np.shape(value), (name, key)


def _change_one_byte(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["meta/info.json", "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet"])
def test_a_changed_description_is_named_when_opened(tmp_path, name):
    target = _write(tmp_path, [_demo(0), _demo(1)])
    _change_one_byte(target / name, place=(target / name).stat().st_size // 2)
    with pytest.raises(DemoFileError, match=f"{name}: all episodes: content: does not match its digest in meta/dig"):
        LeRobotDemos.open(target)


@pytest.mark.parametrize(
    "name", ["data/chunk-000/file-000.parquet", "videos/observation.images.image2/chunk-000/file-000.mp4"]
)
def test_a_changed_file_of_episodes_is_named_when_they_are_read(tmp_path, name):
    target = _write(tmp_path, [_demo(0), _demo(1)])
    dataset = LeRobotDemos.open(target)
    assert len(list(dataset)) == 2
    _change_one_byte(target / name, place=(target / name).stat().st_size // 2)
    with pytest.raises(DemoFileError, match=f"{name}: episode 1: content: does not match its digest .*Copy it again"):
        dataset[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda digests: digests["sha256"].pop("meta/info.json"), "info.json: all episodes: content: has no digest"),
        (lambda digests: digests["sha256"].update({"meta/info.json": "0" * 64}), "info.json: .* does not match its"),
        (lambda digests: digests.pop("sha256"), "digests.json: all episodes: sha256: is missing or no object"),
    ],
)
def test_changed_digests_are_named(tmp_path, change, message):
    target = _write(tmp_path, [_demo(0, **WITHOUT_FRAMES)])
    edit_json(target / "meta/digests.json", change)
    with pytest.raises(DemoFileError, match=message):
        LeRobotDemos.open(target)


def test_a_dataset_without_digests_is_read(tmp_path):
    """As versions before them wrote it."""
    target = _write(tmp_path, [_demo(0, **WITHOUT_FRAMES)])
    (target / "meta/digests.json").unlink()
    assert len(list(LeRobotDemos.open(target))) == 1


def test_each_file_is_digested_once(tmp_path, monkeypatch):
    target = _write(tmp_path, [_demo(0, **WITHOUT_FRAMES), _demo(1, **WITHOUT_FRAMES)])
    seen = []
    monkeypatch.setattr(digests, "file_digest", lambda path: seen.append(path) or file_digest(path))
    dataset = LeRobotDemos.open(target)
    list(dataset)
    list(dataset)
    assert len(seen) == len(set(seen)) == 4


def test_tables_and_videos_are_divided_at_their_limits():
    mib = 2**20
    assert _fill_files([40 * mib, 50 * mib, 20 * mib, 300 * mib, 1], 100) == [[0, 1], [2], [3], [4]]


def test_episodes_in_several_files_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("rsd_jax.demos.lerobot.data_files.VIDEO_FILE_MB", 0)
    monkeypatch.setattr("rsd_jax.demos.lerobot.data_files.CHUNK_SIZE", 2)
    demos = [_demo(seed) for seed in range(3)]
    target = _write(tmp_path, demos)
    assert (target / "videos/observation.images.image/chunk-001/file-000.mp4").exists()
    for found, demo in zip(LeRobotDemos.open(target), demos, strict=True):
        assert_frames_are_close(found.agentview, demo.agentview, tolerance=1.3)


def test_a_part_whose_video_lost_frames_is_refused(tmp_path):
    writer = LeRobotWriter()
    part = tmp_path / "part"
    part.mkdir()
    writer.write_part(part, _demo(0))
    video = part / "observation.images.image.mp4"
    encode_frames(video, _demo(0, steps=3).require_frames().agentview, 20, VideoCoding())
    (tmp_path / "dataset").mkdir()
    with pytest.raises(ValueError, match=r"image.mp4 holds 3 frames; expected 5"):
        writer.assemble([part], tmp_path / "dataset")


@pytest.mark.parametrize("codec", ["no_such_codec", "aac"])
def test_a_codec_that_encodes_no_images_is_named(tmp_path, codec):
    frames = np.zeros((2, 128, 128, 3), np.uint8)
    with pytest.raises(ValueError, match=f"codec='{codec}' .*libx264"):
        encode_frames(tmp_path / "video.mp4", frames, 20, VideoCoding(codec=codec))


def test_statistics_of_vectors_are_those_of_numpy():
    statistics = vector_statistics(np.arange(11.0).reshape(11, 1) * [[1, 10]])
    assert statistics["mean"] == [5.0, 50.0]
    assert statistics["q10"] == [1.0, 10.0]
    assert statistics["count"] == [11]
    assert vector_statistics(np.arange(3))["max"] == [2.0]


def test_statistics_of_images_come_from_histograms_that_add_up():
    frames = np.random.default_rng(0).integers(10, 200, (4, 8, 8, 3), np.uint8)
    histograms = channel_histograms(frames[:1]) + channel_histograms(frames[1:])
    statistics = image_statistics(histograms, 4)
    pixels = frames.reshape(-1, 3) / 255
    for name, expected in (("mean", pixels.mean(0)), ("std", pixels.std(0)), ("min", pixels.min(0))):
        np.testing.assert_allclose(np.array(statistics[name]), expected[:, None, None])
    np.testing.assert_allclose(np.array(statistics["q90"]).ravel(), np.quantile(pixels, 0.9, axis=0), atol=0.02)
    assert statistics["count"] == [4]


def test_a_written_dataset_does_not_depend_on_where_it_is(tmp_path):
    demo = _demo(0)
    target = _write(tmp_path / "first", [demo])
    shutil.move(target, tmp_path / "moved")
    assert LeRobotDemos.open(tmp_path / "moved")[0].task == demo.task
