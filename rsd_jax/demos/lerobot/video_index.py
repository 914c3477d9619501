"""When each frame of a video file is shown, from its packets: nothing is decoded for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rsd_jax.demos.file_memory import once_a_file


class VideoError(ValueError):
    """A video is damaged, or does not hold what the dataset says. The message names the file."""


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """The frames of a file, in the order in which they are shown.

    Attributes:
        path: the file.
        stamps: time of each frame in the file's own unit, ``int64 [N]``, rising; N >= 1.
        unit: seconds.
        frames_told: number of frames by the file's header, or N where it tells none; more than N in a truncated file.
    """

    path: Path
    stamps: NDArray[np.int64]
    unit: Fraction
    frames_told: int

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """Time of each frame, seconds after the first: encoders that reorder frames let the first one wait."""
        return (self.stamps - self.stamps[0]) * float(self.unit)

    @cached_property
    def periods(self) -> tuple[float, float] | None:
        """Seconds from a frame to the next: the mean and the median. None for a single frame."""
        if len(self.stamps) < 2:
            return None
        distances = np.diff(self.stamps) * float(self.unit)
        return float(distances.mean()), float(np.median(distances))


def read_video_index(path: Path) -> VideoIndex:
    """Reads a file's packets; once for each file and process.

    Raises:
        VideoError: the file is missing or damaged.
    """
    if not path.is_file():
        raise VideoError(f"{path} is missing; the download is not complete")
    return _read(path)


@once_a_file(maxsize=128)
def _read(path: Path) -> VideoIndex:
    stamps = []
    with opened_video(path) as (container, stream):
        for packet in container.demux(stream):
            # The last one only flushes; those to be discarded are decoded for others' sake and never shown.
            if packet.pts is not None and not packet.is_discard and not packet.is_corrupt:
                stamps.append(packet.pts)
        unit, told = stream.time_base, stream.frames
    if unit is None or not stamps:
        raise VideoError(f"{path} cannot be decoded, the file is damaged (it has no frames with times)")
    ordered = np.sort(np.array(stamps, np.int64))
    if twice := ordered[1:][np.diff(ordered) == 0].tolist():
        raise VideoError(
            f"{path} shows {len(twice)} frames at the time of another, the first at {twice[0]} * {unit} s"
        )
    return VideoIndex(path, ordered, fraction(unit), max(told, len(ordered)))


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file and its video, for reading.

    Raises:
        VideoError: it is damaged or may not be read; also of what is read of it within the block.
    """
    try:
        with av.open(str(path)) as container:
            yield container, container.streams.video[0]
    except (PermissionError, IsADirectoryError) as error:
        raise VideoError(f"{path} cannot be read ({error})") from error
    except (av.FFmpegError, IndexError) as error:
        raise VideoError(f"{path} cannot be decoded, the file is damaged ({error})") from error


def fraction(rational: Any) -> Fraction:
    """What PyAV calls a rational number, which is a class of its own from version 19 on."""
    return Fraction(rational.numerator, rational.denominator)
