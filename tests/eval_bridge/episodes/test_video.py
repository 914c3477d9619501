import av
import numpy as np
import pytest

from eval_bridge.episodes.rollout import VideoFrame
from eval_bridge.episodes.video import caption, contact_sheet, poster, read_frames, video_name, write_episode_video

INSTRUCTION = "pick up the black bowl from table center and place it on the plate"


def _frames(steps):
    return [VideoFrame(np.full((256, 256, 3), 10 * index, np.uint8), step) for index, step in enumerate(steps)]


def test_name():
    assert video_name(2, 3, True) == "task02_episode003_success.mp4"
    assert video_name(2, 3, False) == "task02_episode003_failure.mp4"


def test_video_is_small_h264_that_every_browser_plays(tmp_path):
    path = write_episode_video(tmp_path / "videos", 2, 3, True, INSTRUCTION, _frames(range(0, 80, 4)))
    assert path == tmp_path / "videos" / "task02_episode003_success.mp4"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.width % 2 == stream.height % 2 == 0
    assert path.stat().st_size < 100_000


def test_frames_are_shown_at_their_steps_and_the_last_one_stays(tmp_path):
    path = write_episode_video(tmp_path, 0, 0, False, INSTRUCTION, _frames([0, 4, 8, 11]))
    with av.open(str(path)) as container:
        seconds = [float(frame.time) for frame in container.decode(video=0)]
    np.testing.assert_allclose(seconds, [0, 0.1, 0.2, 0.275, 1.275], atol=1e-3)


def test_pictures_come_back_in_order(tmp_path):
    path = write_episode_video(tmp_path, 0, 0, True, INSTRUCTION, _frames(range(0, 40, 4)))
    brightness = [frame[100:400, 100:400].mean() for frame in read_frames(path, 3)]
    np.testing.assert_allclose(brightness, [0, 50, 90], atol=6)
    assert {picture[:2] for picture in (poster(path), *contact_sheet(path, 4))} == {b"\xff\xd8"}
    assert len(contact_sheet(path, 4)) == 4


def test_caption_differs_by_outcome_and_leaves_the_picture_alone():
    image = np.full((256, 256, 3), 77, np.uint8)
    under_way, success, failure = (caption(image, INSTRUCTION, 12, outcome) for outcome in (None, True, False))
    assert under_way.shape == success.shape
    assert (success[:512] == 77).all()
    assert (success[512:] != failure[512:]).any()
    assert (success[512:] != under_way[512:]).any()


def test_a_held_step_is_marked():
    image = np.full((256, 256, 3), 77, np.uint8)
    held, moving = (caption(image, INSTRUCTION, 12, None, is_held) for is_held in (True, False))
    assert (held[512:] != moving[512:]).any()
    assert (held[:512] == 77).all()


def test_running_an_episode_again_replaces_its_video(tmp_path):
    write_episode_video(tmp_path, 0, 1, False, INSTRUCTION, _frames([0, 4]))
    write_episode_video(tmp_path, 0, 10, False, INSTRUCTION, _frames([0, 4]))
    write_episode_video(tmp_path, 0, 1, True, INSTRUCTION, _frames([0, 4]))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["task00_episode001_success.mp4", "task00_episode010_failure.mp4"]


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full_disk(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eval_bridge.episodes.video.Path.write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_episode_video(tmp_path, 0, 1, True, INSTRUCTION, _frames([0, 4]))
    assert list(tmp_path.iterdir()) == []


def test_bad_videos_have_clear_errors(tmp_path):
    with pytest.raises(ValueError, match="frames is empty"):
        write_episode_video(tmp_path, 0, 0, True, INSTRUCTION, [])
    broken = tmp_path / "task00_episode000_success.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(ValueError, match="no readable video"):
        read_frames(broken, 1)
