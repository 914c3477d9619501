"""Which frame belongs to which step: by times and by counting, on made-up files without pixels."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rsd_jax.demos.lerobot.video_index import VideoError, VideoIndex
from rsd_jax.demos.lerobot.video_steps import VideoSpan, find_first_frame

FPS = 20
PATH = Path("file-000.mp4")


def _video(frames, told=None, unit=Fraction(1, 1000), stamps=None):
    stamps = np.arange(frames) * round(1 / (FPS * unit)) if stamps is None else np.array(stamps)
    return VideoIndex(PATH, stamps, unit, told or frames)


def _spans(*lengths, shifts=(), gaps=()):
    """Episodes one after the other, their starts shifted by frames; `gaps` are frames left out before each."""
    spans, first = [], 0
    for episode, length in enumerate(lengths):
        first += dict(enumerate(gaps)).get(episode, 0)
        shift = dict(enumerate(shifts)).get(episode, 0)
        spans.append(VideoSpan(PATH, episode, (first + shift) / FPS, (first + length + shift) / FPS, length))
        first += length
    return spans


def _first(video, spans, episode, *, fps=FPS, all_listed=True, times=None):
    span = spans[episode]
    times = np.arange(span.length) / fps if times is None else np.array(times)
    return find_first_frame(video, span, times, fps, spans, all_listed)


def test_frames_are_those_at_the_times_of_the_steps():
    spans = _spans(60, 60, 60, 60, shifts=(0, 0.1, -0.1, 0.2))
    assert [_first(_video(240), spans, episode) for episode in range(4)] == [0, 60, 120, 180]


@pytest.mark.parametrize("all_listed", [True, False])
@pytest.mark.parametrize("shift", [0.25, 0.4, -0.3])
def test_a_start_between_two_frames_is_refused_with_its_distance(shift, all_listed):
    spans = _spans(6, 7, shifts=(0, shift))
    way = "behind" if shift > 0 else "ahead of"
    with pytest.raises(VideoError, match=rf"from_timestamp is 0\.\d+ s, {abs(shift):.2f} frames {way} .*6"):
        _first(_video(13), spans, 1, all_listed=all_listed)
    assert _first(_video(13), spans, 0, all_listed=all_listed) == 0


@pytest.mark.parametrize("shift", [0.6, 1.0, -1.0, 5.0])
def test_a_start_at_another_frame_is_refused_by_counting(shift):
    spans = _spans(60, 60, 60, shifts=(0, shift))
    with pytest.raises(VideoError, match=rf"{abs(shift):.2f} frames .* frame 60, where .* Its time is 3 s"):
        _first(_video(180), spans, 1)
    assert _first(_video(180), spans, 2) == 120


def test_a_drift_is_refused_where_it_passes_the_tolerance():
    spans = _spans(60, 60, 60, 60, shifts=(0, -0.2, -0.4, -0.6))
    assert [_first(_video(240), spans, episode) for episode in (0, 1)] == [0, 60]
    for episode in (2, 3):
        with pytest.raises(VideoError, match=rf"0\.{2 * episode}0 frames ahead of frame {60 * episode}"):
            _first(_video(240), spans, episode)


@pytest.mark.parametrize("fps", [18, 19, 21, 10, 40])
def test_a_rate_that_is_not_the_videos_is_named(fps):
    with pytest.raises(VideoError, match=f"fps is {fps} in info.json, the video has 20"):
        _first(_video(60), _spans(60), 0, fps=fps)


def test_coarse_units_and_waiting_first_frames_are_no_other_rate():
    thirty = np.round(np.arange(90) * 1000 / 30).astype(int) + 67
    span = VideoSpan(PATH, 0, 0.0, None, 90)
    video = _video(90, stamps=thirty)
    assert find_first_frame(video, span, np.arange(90) / 30, 30, [span], True) == 0


@pytest.mark.parametrize("frames", [14, 12])
def test_another_number_of_frames_than_of_steps_is_refused(frames):
    spans = _spans(6, 7)
    for episode in range(2):
        with pytest.raises(VideoError, match=f"it holds {frames} frames, its episodes have 13 steps"):
            _first(_video(frames), spans, episode)


def test_a_truncated_file_has_the_frames_before_its_end():
    spans, video = _spans(6, 7), _video(10, told=13)
    assert _first(video, spans, 0) == 0
    with pytest.raises(VideoError, match=r"10 of its 13 frames are there, .* lacks the frames of 3 steps, .* is 4"):
        _first(video, spans, 1)


def test_frames_of_episodes_that_are_not_listed_may_lie_between():
    spans = _spans(6, 7, gaps=(2, 3))
    assert [_first(_video(30), spans, episode, all_listed=False) for episode in (0, 1)] == [2, 11]
    with pytest.raises(VideoError, match="holds 30 frames, its episodes have 13 steps"):
        _first(_video(30), spans, 0)


def test_spans_that_overlap_are_refused():
    spans = _spans(6, 7, shifts=(0, -1))
    for episode in range(2):
        with pytest.raises(VideoError, match=f"from frame 5 on, 1 frames are those of episode {1 - episode} too"):
            _first(_video(20), spans, episode, all_listed=False)
    with pytest.raises(VideoError, match="lacks the frames of 2 steps, the first is 5"):
        _first(_video(11), _spans(4, 7, gaps=(0, 2)), 1, all_listed=False)


def test_a_span_of_another_length_is_refused():
    span = VideoSpan(PATH, 0, 0.0, 7 / FPS, 6)
    with pytest.raises(VideoError, match=r"0 s to to_timestamp 0.35 s are 7.00 frames; the episode has 6 steps"):
        find_first_frame(_video(6), span, np.arange(6) / FPS, FPS, [span], True)


def test_steps_whose_frames_are_shown_at_other_times_are_named():
    lost = np.delete(np.arange(10) * 50, 4)  # a frame was lost, and its time with it
    with pytest.raises(
        VideoError, match=r"5 steps have no frame at their time: step 4 is at 0.2 s, 1.00 frames ahead of"
    ):
        _first(_video(9, stamps=lost), _spans(9), 0)
    with pytest.raises(VideoError, match="2 steps have no frame at their time: step 3"):
        _first(_video(5), _spans(5), 0, times=[0, 0.05, 0.1, 0.2, 0.25])
