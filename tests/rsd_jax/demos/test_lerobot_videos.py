"""Frames of whole LeRobot datasets at their steps, whatever the encoder did to the times."""

import shutil

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from rsd_jax.demos.file_errors import DemoFileError
from rsd_jax.demos.lerobot import LeRobotDemos, videos
from rsd_jax.demos.lerobot.video_index import read_video_index
from rsd_jax.demos.task_names import TaskNaming
from tests.rsd_jax.demos.dataset_edits import edit_json, edit_rows
from tests.rsd_jax.demos.golden.golden_episodes import SUITE, golden_episode
from tests.rsd_jax.demos.golden_datasets import assert_is_golden

NAMING = TaskNaming(SUITE)
MP4 = 1.6
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
CAMERAS = {"observation.images.image": "agentview", "observation.images.image2": "wrist"}


def _shift(root, episode, seconds):
    def change(rows):
        for camera in CAMERAS:
            rows[episode][f"videos/{camera}/from_timestamp"] += seconds

    edit_rows(root / EPISODES, change)


@pytest.mark.parametrize(("episode", "way"), [(0, "behind frame 0"), (1, "behind frame 6")])
def test_a_start_that_drifted_is_refused_with_episode_camera_and_distance(v3, episode, way):
    _shift(v3, episode, 0.06)
    dataset = LeRobotDemos.open(v3, naming=NAMING)
    with pytest.raises(DemoFileError, match=rf"episode {episode}: {next(iter(CAMERAS))}: .* 0\.60 frames {way}"):
        dataset[episode]
    assert_is_golden(dataset[1 - episode], MP4)


def test_a_start_within_the_tolerance_is_accepted(v3):
    _shift(v3, 0, 0.01)
    _shift(v3, 1, -0.01)
    for demo in LeRobotDemos.open(v3, naming=NAMING):
        assert_is_golden(demo, MP4)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_rate_that_is_not_the_videos_is_named(request, version):
    root = request.getfixturevalue(version)
    edit_json(root / "meta/info.json", lambda info: info.update(fps=9))
    with pytest.raises(DemoFileError, match=r"fps is 9 in info.json, the video has 10"):
        LeRobotDemos.open(root, naming=NAMING)[0]


def _encode(path, frames, rate, options, container_options):
    with av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "12"} | options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.mark.parametrize("edit_list", ["0", "1"])
def test_reordered_frames_are_read_whether_or_not_the_first_one_waits(v2, v3, edit_list):
    """With B-frames and no edit list the presentation starts two frames after 0."""
    episodes = [golden_episode(index) for index in range(2)]
    coding, container = {"bf": "2", "g": "4"}, {"use_editlist": edit_list}
    for camera, field in CAMERAS.items():
        for index, episode in enumerate(episodes):
            path = v2 / f"videos/chunk-000/{camera}/episode_{index:06d}.mp4"
            _encode(path, getattr(episode, field), 10, coding, container)
            assert (read_video_index(path).stamps[0] > 0) == (edit_list == "0")
        frames = np.concatenate([getattr(episode, field) for episode in episodes])
        _encode(v3 / f"videos/{camera}/chunk-000/file-000.mp4", frames, 10, coding, container)
    for root in (v2, v3):
        for demo in LeRobotDemos.open(root, naming=NAMING):
            assert_is_golden(demo, 2.5)


def test_a_key_frame_that_comes_too_late_is_not_taken(v3, monkeypatch):
    """Some demuxers seek by the time of decoding, and find a key frame that is shown after the frame wanted."""
    path = v3 / "videos/observation.images.image/chunk-000/file-000.mp4"
    index = read_video_index(path)
    expected = videos.decode_frames(index, 3, 2)
    decode = videos._decode_from
    starts = []

    def late(path, start, stamps):
        starts.append(start)
        return decode(path, start if start == 0 else int(index.stamps[4]), stamps)

    monkeypatch.setattr(videos, "_decode_from", late)
    np.testing.assert_array_equal(videos.decode_frames(index, 3, 2), expected)
    assert starts == [index.stamps[3], 0]


def test_frames_more_than_steps_are_refused(v2):
    folder = v2 / "videos/chunk-000/observation.images.image"
    shutil.copy(folder / "episode_000001.mp4", folder / "episode_000000.mp4")
    with pytest.raises(DemoFileError, match=r"episode 0: observation.images.image: .*holds 7 frames, .* have 6 steps"):
        LeRobotDemos.open(v2, naming=NAMING)[0]


def test_frames_of_several_sizes_are_refused(v3, monkeypatch):
    index = read_video_index(v3 / "videos/observation.images.image/chunk-000/file-000.mp4")
    frames = {stamp: np.zeros((size, size, 3), np.uint8) for size, stamp in enumerate(index.stamps[:2].tolist(), 1)}
    monkeypatch.setattr(videos, "_decode_from", lambda path, start, stamps: frames)
    with pytest.raises(ValueError, match=r"has frames of the sizes \[\(1, 1, 3\), \(2, 2, 3\)\]"):
        videos.decode_frames(index, 0, 2)


def test_a_file_that_may_not_be_read_is_not_called_damaged(v3, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    dataset = LeRobotDemos.open(v3, naming=NAMING)
    with monkeypatch.context() as patched:
        patched.setattr(av, "open", refuse)
        with pytest.raises(DemoFileError, match=r"file-000.mp4 cannot be read \(.*Permission denied\)$"):
            dataset[0]
    monkeypatch.setattr(pq, "read_table", refuse)
    with pytest.raises(DemoFileError, match=r"episode 0: file: cannot be read \(.*Permission denied\)$"):
        dataset[0]


def test_a_file_that_changed_is_indexed_again(v3):
    path = v3 / "videos/observation.images.image/chunk-000/file-000.mp4"
    assert len(read_video_index(path).stamps) == 13
    _encode(path, golden_episode(0).agentview, 10, {}, {})
    assert len(read_video_index(path).stamps) == 6


def test_times_come_from_the_rows_where_they_tell_them_and_from_the_rate_elsewhere(v3):
    path = v3 / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("timestamp"), path)
    assert_is_golden(LeRobotDemos.open(v3, naming=NAMING)[1], MP4)
    pq.write_table(table.drop_columns(["timestamp", "frame_index"]), path)
    assert_is_golden(LeRobotDemos.open(v3, naming=NAMING)[1], MP4)
