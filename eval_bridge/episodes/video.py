"""Episode videos: upright camera frames with a caption bar, as H.264 that every browser plays."""

import io
import logging
import textwrap
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from eval_bridge.episodes.rollout import VideoFrame
from rsd_jax.actions.conventions import LIBERO
from rsd_jax.atomic_files import whole_file

PLAYBACK_SPEED = 2
"""Videos play twice as fast as the robot moves: an episode takes 11 seconds at most in libero_spatial."""

_SCALE = 2  # Frames are enlarged so that the caption is legible; H.264 makes this nearly free.
_BAR_HEIGHT = 56
_FONT_SIZE = 15
_INK, _PAPER = (236, 238, 242), (22, 24, 29)
_HELD_COLOUR = (214, 160, 60)
_STATUS_COLOURS = {None: (120, 128, 142), True: (63, 185, 120), False: (224, 96, 84)}

logging.getLogger("libav").setLevel(logging.ERROR)


def video_name(task_index: int, episode: int, success: bool) -> str:
    """Unique within a suite and sorted by task: ``task02_episode003_success.mp4``."""
    return f"task{task_index:02d}_episode{episode:03d}_{'success' if success else 'failure'}.mp4"


def write_episode_video(
    folder: Path, task_index: int, episode: int, success: bool, instruction: str, frames: Sequence[VideoFrame]
) -> Path:
    """Writes an episode's video, in place of any earlier attempt's, and returns its path.

    Args:
        folder: created if missing.
        frames: upright, in order of their steps, all of one size. Each is shown until the next one's step.
        instruction: shown in the caption, with the step; the last frame also shows success or failure.

    Raises:
        ValueError: without frames.
        OSError: the folder cannot be written; no partial video is left.
    """
    if not frames:
        raise ValueError("frames is empty; run the episode with a video_stride.")
    images = [caption(frame.image, instruction, frame.step, None, frame.is_held) for frame in frames[:-1]]
    images.append(caption(frames[-1].image, instruction, frames[-1].step, success))
    video = _encode(images, [frame.step for frame in frames])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / video_name(task_index, episode, success)
    with whole_file(path) as partial:
        partial.write_bytes(video)
    for earlier in folder.glob(f"task{task_index:02d}_episode{episode:03d}_*.mp4"):
        if earlier != path:
            earlier.unlink()
    return path


def caption(
    image: NDArray[np.uint8], instruction: str, step: int, success: bool | None, is_held: bool = False
) -> NDArray[np.uint8]:
    """Enlarges a frame ``[H, W, 3]`` and puts the instruction and the step under it.

    None means "under way"; of a step in which the robot held still that is said, in another colour.
    """
    height, width = image.shape[0] * _SCALE, image.shape[1] * _SCALE
    canvas = Image.new("RGB", (width, height + _BAR_HEIGHT), _PAPER)
    canvas.paste(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC), (0, 0))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_FONT_SIZE)
    colour = _HELD_COLOUR if is_held else _STATUS_COLOURS[success]
    draw.rectangle((0, height, width, height + 2), fill=colour)
    under_way = f"hold {step}" if is_held else f"step {step}"
    status = under_way if success is None else ("success" if success else "failure") + f" · {step}"
    status_width = draw.textlength(status, font=font)
    draw.text((width - status_width - 12, height + 11), status, font=font, fill=_INK if success is None else colour)
    characters = max(8, int((width - status_width - 40) / draw.textlength("e", font=font)))
    lines = textwrap.wrap(instruction, characters, max_lines=2, placeholder=" …")
    for row, line in enumerate(lines):
        draw.text((12, height + 11 + row * (_FONT_SIZE + 5)), line, font=font, fill=_INK)
    return np.asarray(canvas)


def read_frames(path: Path, count: int) -> list[NDArray[np.uint8]]:
    """`count` frames of a video, evenly spaced from its first to its last, ``uint8 [H, W, 3]``.

    Raises:
        ValueError: the file is no readable video.
    """
    try:
        with av.open(str(path)) as container:
            images = [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]
    except av.error.FFmpegError as error:
        raise ValueError(f"{path} is no readable video ({error}); run its episode again, or move it away.") from error
    if not images:
        raise ValueError(f"{path} holds no frame; run its episode again, or move it away.")
    picked = np.linspace(0, len(images) - 1, count).round().astype(int) if count > 1 else [len(images) - 1]
    return [images[index] for index in picked]


def poster(path: Path, height: int = 284) -> bytes:
    """The last frame of a video, as JPEG."""
    (frame,) = read_frames(path, 1)
    return _jpeg(Image.fromarray(frame), height)


def contact_sheet(path: Path, count: int = 6, height: int = 256) -> list[bytes]:
    """`count` frames of a video without their captions, evenly spaced, each as JPEG."""
    return [_jpeg(Image.fromarray(frame[:-_BAR_HEIGHT]), height) for frame in read_frames(path, count)]


def _encode(images: Sequence[NDArray[np.uint8]], steps: Sequence[int]) -> bytes:
    """MP4 bytes. A tick of the clock is a step, so frames need no regular spacing; the last one stays for a second."""
    rate = round(LIBERO.control_rate) * PLAYBACK_SPEED
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "27", "preset": "veryfast"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate)
        stream.codec_context.thread_count = 1  # The same bytes on every machine, and the simulator keeps its cores.
        for image, step in zip([*images, images[-1]], [*steps, steps[-1] + rate], strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = step
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _jpeg(image: Image.Image, height: int) -> bytes:
    buffer = io.BytesIO()
    image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS).save(
        buffer, "JPEG", quality=82
    )
    return buffer.getvalue()
