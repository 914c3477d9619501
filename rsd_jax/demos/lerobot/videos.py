"""Frames in mp4 files: decoding a part of one, encoding an episode, joining several without encoding again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from rsd_jax.demos.demo import DemoFieldError
from rsd_jax.demos.lerobot.metadata import VideoSpan

_EXACT = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""Conversion between RGB and luma and chroma: FFmpeg's usual one is faster and darkens by more than a level."""


@dataclass(frozen=True)
class VideoCoding:
    """How frames are encoded.

    Attributes:
        codec: name of an encoder of FFmpeg.
        quality: constant rate factor; lower is better, 0 lossless for H.264.
        keyframe_distance: frames from one that is decoded by itself to the next; small, for random access.
        pixel_format: FFmpeg's; ``yuv420p`` is played everywhere, ``yuv444p`` keeps colours at full resolution.
    """

    codec: str = "libx264"
    quality: int = 16
    keyframe_distance: int = 2
    pixel_format: str = "yuv420p"


def decode_frames(field: str, span: VideoSpan, count: int, fps: float) -> NDArray[np.uint8]:
    """Decodes `count` frames, ``uint8 [count, H, W, 3]``.

    Raises:
        DemoFieldError: the file is missing or damaged, or lacks some of the frames; names it and `field`.
    """
    if not span.path.is_file():
        raise DemoFieldError(field, f"{span.path} is missing; the download is not complete")
    found: dict[int, NDArray[np.uint8]] = {}
    try:
        with av.open(str(span.path)) as container:
            stream = container.streams.video[0]
            if stream.time_base is None:
                raise DemoFieldError(field, f"{span.path} has no time base: the file is damaged")
            # To a key frame at or before the start.
            container.seek(int(span.start / _fraction(stream.time_base)), stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None:
                    continue
                index = round((float(frame.pts * _fraction(stream.time_base)) - span.start) * fps)
                if 0 <= index < count:
                    found[index] = np.asarray(frame.to_ndarray(format="rgb24", interpolation=_EXACT), np.uint8)
                if index >= count - 1:
                    break
    except (av.FFmpegError, IndexError) as error:
        raise DemoFieldError(field, f"{span.path} cannot be decoded, the file is damaged ({error})") from error
    if missing := [index for index in range(count) if index not in found]:
        rule = (
            f"{span.path} lacks the frames of {len(missing)} steps, the first is {missing[0]}: the file is truncated"
        )
        raise DemoFieldError(field, rule)
    return np.stack([found[index] for index in range(count)])


def encode_frames(path: Path, frames: NDArray[np.uint8], fps: int, coding: VideoCoding) -> None:
    """Writes frames ``uint8 [T, H, W, 3]`` as a video.

    Raises:
        ValueError: the codec is not there.
        OSError: the folder cannot be written.
    """
    try:
        with av.open(str(path), "w") as container:
            # Frames in order, none that refers to a later one: so files can be joined by shifting their times.
            options = {"crf": str(coding.quality), "g": str(coding.keyframe_distance), "bf": "0"}
            stream = container.add_stream(coding.codec, rate=fps, options=options)
            if not isinstance(stream, av.VideoStream):
                raise ValueError(f"codec={coding.codec!r} does not encode images; libx264 does")
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = coding.pixel_format
            stream.codec_context.thread_count = 1  # the same bytes on every machine; episodes run side by side
            for image in frames:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                container.mux(stream.encode(frame.reformat(format=coding.pixel_format, interpolation=_EXACT)))
            container.mux(stream.encode())
    except av.codec.codec.UnknownCodecError as error:
        raise ValueError(f"codec={coding.codec!r} is not an encoder of this FFmpeg; libx264 always is") from error


def join_videos(sources: Sequence[Path], lengths: Sequence[int], path: Path, fps: int) -> None:
    """Writes videos of `lengths` frames, encoded alike, one after the other into one file.

    Raises:
        ValueError: a source holds another number of frames.
        OSError: a source cannot be read, or the folder cannot be written.
    """
    with av.open(str(path), "w", options={"movflags": "faststart"}) as joined:
        with av.open(str(sources[0])) as first:
            output = joined.add_stream_from_template(first.streams.video[0])
        done = 0
        for source, length in zip(sources, lengths, strict=True):
            written = 0
            for packet in _packets(source):
                assert packet.time_base is not None
                shift = round(Fraction(done, fps) / _fraction(packet.time_base))
                packet.pts = (packet.pts or 0) + shift
                packet.dts = (packet.dts or 0) + shift
                packet.stream = output
                joined.mux(packet)
                written += 1
            if written != length:
                raise ValueError(f"{source} holds {written} frames; expected {length}")
            done += length


def _fraction(rational: Any) -> Fraction:
    """What PyAV calls a rational number, which is a class of its own from version 19 on."""
    return Fraction(rational.numerator, rational.denominator)


def _packets(path: Path) -> Iterator["av.Packet[av.VideoStream]"]:
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.dts is not None:  # the last one only flushes
                yield packet


def describe_video(path: Path) -> dict[str, object]:
    """What LeRobot's ``meta/info.json`` tells about a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return {
            "video.height": stream.height,
            "video.width": stream.width,
            "video.codec": stream.codec_context.name,
            "video.pix_fmt": stream.pix_fmt,
            "video.is_depth_map": False,
            "video.fps": round(_fraction(stream.average_rate)) if stream.average_rate else 0,
            "video.channels": 3,
            "has_audio": False,
        }
