"""Frames in mp4 files: decoding a part of one, encoding an episode, joining several without encoding again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from rsd_jax.demos.lerobot.video_index import VideoError, VideoIndex, fraction, opened_video

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


def decode_frames(video: VideoIndex, first: int, count: int) -> NDArray[np.uint8]:
    """Decodes frames of a file, from number `first` on: ``uint8 [count, H, W, 3]``.

    Raises:
        VideoError: the file is damaged.
    """
    stamps = video.stamps[first : first + count].tolist()
    found = _decode_from(video.path, stamps[0], stamps)
    if stamps[0] not in found:  # the key frame that was found is shown later, as may be where frames are reordered
        found = _decode_from(video.path, int(video.stamps[0]), stamps)
    if missing := [step for step, stamp in enumerate(stamps) if stamp not in found]:
        raise VideoError(
            f"{video.path} lacks the frames of {len(missing)} steps, the first is {missing[0]}: they cannot be decoded"
        )
    frames = [found[stamp] for stamp in stamps]
    if len(shapes := {frame.shape for frame in frames}) != 1:
        raise VideoError(f"{video.path} has frames of the sizes {sorted(shapes)} in one episode; one is expected")
    return np.stack(frames)


def _decode_from(path: Path, start: int, stamps: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """Decodes from a key frame at or before the time `start` to the last of `stamps`; keeps the frames at these."""
    wanted, found = set(stamps), {}
    with opened_video(path) as (container, stream):
        container.seek(start, stream=stream)
        for frame in container.decode(stream):
            if frame.pts is None:
                continue
            if frame.pts in wanted and not frame.is_corrupt:
                found[frame.pts] = np.asarray(frame.to_ndarray(format="rgb24", interpolation=_EXACT), np.uint8)
            if frame.pts >= stamps[-1]:
                break
    return found


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
                shift = round(Fraction(done, fps) / fraction(packet.time_base))
                packet.pts = (packet.pts or 0) + shift
                packet.dts = (packet.dts or 0) + shift
                packet.stream = output
                joined.mux(packet)
                written += 1
            if written != length:
                raise ValueError(f"{source} holds {written} frames; expected {length}")
            done += length


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
            "video.fps": round(fraction(stream.average_rate)) if stream.average_rate else 0,
            "video.channels": 3,
            "has_audio": False,
        }
