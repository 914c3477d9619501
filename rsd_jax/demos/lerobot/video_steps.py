"""Which frames of a video file are those of an episode's steps: by the video's own times, and by counting.

A frame belongs to a step if it is shown within `TOLERANCE` of a frame's period of the step's time. Where the dataset
lists every episode of a file, their lengths count its frames too, and both ways must agree.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.demos.lerobot.video_index import VideoError, VideoIndex

TOLERANCE = 0.2
"""Largest distance from a step to its frame, in periods of a frame."""

_ROUNDING = 1e-3
"""Times are stored as float32 and in units of the file: that much, in periods, is no distance."""

_RATE_TOLERANCE = 0.005
"""Largest relative difference of two rates that are called the same."""


class VideoSpan(NamedTuple):
    """The part of a video file that an episode has.

    Attributes:
        path: the file.
        episode: number of the episode.
        start: seconds from the file's first frame to the episode's.
        end: seconds to the end of the episode's last frame; None where the dataset does not tell it.
        length: number of frames.
    """

    path: Path
    episode: int
    start: float
    end: float | None
    length: int


def find_first_frame(
    video: VideoIndex,
    span: VideoSpan,
    times: NDArray[np.float64],
    fps: float,
    spans: Sequence[VideoSpan],
    all_listed: bool,
) -> int:
    """Number of the frame of the episode's first step; those of the others follow it.

    Args:
        video: the file's frames.
        span: the episode's part of it.
        times: of the steps, seconds from the episode's start, ``float64 [T]``.
        fps: frames a second by the dataset's description.
        spans: the parts of all episodes that are known to have one of this file, `span` among them.
        all_listed: whether those are all there are.

    Raises:
        VideoError: the dataset and the video contradict each other; tells by how many frames.
    """
    period = _check_rate(video, fps)
    first = (_count_first if all_listed else _nearest_first)(video, span, spans, period)
    if span.end is not None and round((span.end - span.start) / period) != span.length:
        raise VideoError(
            f"{video.path}: from_timestamp {span.start:g} s to to_timestamp {span.end:g} s are "
            f"{(span.end - span.start) / period:.2f} frames; the episode has {span.length} steps"
        )
    shown = video.seconds[first : first + span.length]
    distances = (span.start + times - shown) / period
    if len(far := np.flatnonzero(np.abs(distances) > TOLERANCE + _ROUNDING)):
        step = int(far[0])
        raise VideoError(
            f"{video.path}: {len(far)} steps have no frame at their time: step {step} is at "
            f"{span.start + times[step]:g} s, {_words(distances[step])} frame {first + step}, the one it is by "
            f"counting; {TOLERANCE} of a frame is allowed"
        )
    return first


def _check_rate(video: VideoIndex, fps: float) -> float:
    """The period of the frames, seconds. Frames lost here and there change the mean, coarse units the median."""
    periods = video.periods or (1 / fps,)
    if min(abs(period * fps - 1) for period in periods) > _RATE_TOLERANCE:
        raise VideoError(
            f"{video.path}: fps is {fps:g} in info.json, the video has {1 / periods[0]:.4g}. Where a frame is a step, "
            "correct info.json; otherwise encode the video again with a frame a step"
        )
    return min(periods, key=lambda period: abs(period * fps - 1))


def _count_first(video: VideoIndex, span: VideoSpan, spans: Sequence[VideoSpan], period: float) -> int:
    """By the lengths of the episodes before it, which must put it where its time does."""
    ordered = sorted(spans, key=lambda other: (other.start, other.episode))
    first = sum(other.length for other in ordered[: ordered.index(span)])
    steps = sum(other.length for other in ordered)
    held = f"it holds {video.frames_told} frames, its episodes have {steps} steps"
    _refuse_missing(video, first, span.length, held)
    if video.frames_told != steps:
        raise VideoError(f"{video.path}: {held}, so that nothing tells which frame belongs to which step")
    distance = (span.start - video.seconds[first]) / period
    if abs(distance) > TOLERANCE + _ROUNDING:
        raise VideoError(
            f"{video.path}: from_timestamp is {span.start:g} s, {_words(distance)} frame {first}, where the episode "
            f"begins by the lengths of those before it; {TOLERANCE} of a frame is allowed. Its time is "
            f"{video.seconds[first]:g} s"
        )
    return first


def _nearest_first(video: VideoIndex, span: VideoSpan, spans: Sequence[VideoSpan], period: float) -> int:
    """By its time alone, where the file may hold frames of episodes that are not known."""
    first, distance = _nearest(video, span, period)
    if abs(distance) > TOLERANCE + _ROUNDING:
        raise VideoError(
            f"{video.path}: from_timestamp is {span.start:g} s, {_words(distance)} the nearest frame, {first}; "
            f"{TOLERANCE} of a frame is allowed"
        )
    _refuse_missing(video, first, span.length, f"it holds {len(video.stamps)} frames")
    for other in spans:
        begin, away = _nearest(video, other, period)
        shared = min(first + span.length, begin + other.length) - max(first, begin)
        if other is not span and abs(away) <= TOLERANCE + _ROUNDING and shared > 0:
            raise VideoError(
                f"{video.path}: from frame {max(first, begin)} on, {shared} frames are those of episode "
                f"{other.episode} too; an episode has {span.length} and {other.length} frames of its own"
            )
    return first


def _nearest(video: VideoIndex, span: VideoSpan, period: float) -> tuple[int, float]:
    """The frame nearest to the start of an episode, and how far behind it the start is, in periods."""
    first = int(np.abs(video.seconds - span.start).argmin())
    return first, float((span.start - video.seconds[first]) / period)


def _refuse_missing(video: VideoIndex, first: int, length: int, held: str) -> None:
    missing = first + length - len(video.stamps)
    if missing <= 0:
        return
    lacking = f"lacks the frames of {min(missing, length)} steps, the first is {max(length - missing, 0)}"
    if len(video.stamps) < video.frames_told:
        there = f"{len(video.stamps)} of its {video.frames_told} frames are there"
        raise VideoError(f"{video.path} cannot be decoded to its end: {there}, the file is truncated. It {lacking}")
    raise VideoError(f"{video.path} {lacking}: {held}")


def _words(distance: float) -> str:
    """How far a time is from a frame's."""
    return f"{abs(distance):.2f} frames {'behind' if distance > 0 else 'ahead of'}"
