import jax
import numpy as np
import pytest
from PIL import Image

from rsd_jax.demos.frames import RENDER_SIZE, STORED_SIZE, to_size, to_stored_size


def _frame_of(block: list[list[int]]) -> np.ndarray:
    return np.tile(np.array(block, np.uint8)[:, :, None], (128, 128, 3))


@pytest.mark.parametrize(
    ("block", "mean"),
    [
        ([[1, 2], [3, 4]], 3),  # 2.5 rounds up, not to even
        ([[0, 0], [0, 1]], 0),
        ([[0, 0], [1, 1]], 1),
        ([[255, 255], [255, 255]], 255),
        ([[255, 255], [255, 254]], 255),
    ],
)
def test_each_stored_pixel_is_the_mean_of_its_block_rounded_half_up(block, mean):
    stored = to_stored_size(_frame_of(block))
    assert stored.dtype == np.uint8
    assert stored.shape == (128, 128, 3)
    assert (stored == mean).all()


def test_keeps_orientation_and_colour_channels():
    frame = np.zeros((256, 256, 3), np.uint8)
    frame[0:2, 254:256, 1] = 200  # top right, green
    stored = to_stored_size(frame)
    assert np.argwhere(stored).tolist() == [[0, 127, 1]]


@pytest.mark.parametrize("frame", [np.zeros((128, 128, 3), np.uint8), np.zeros((256, 256, 3), np.float32)])
def test_refuses_what_no_camera_rendered(frame):
    with pytest.raises(ValueError, match=r"must be uint8 \(256, 256, 3\)"):
        to_stored_size(frame)


def extreme_frames() -> np.ndarray:
    """Noise, noise of black and white alone, all white, and a chess board: whose filtered sums leave 0 .. 255."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (256, 256, 3), np.uint8)
    chess = np.indices((256, 256)).sum(axis=0)[..., None].repeat(3, axis=-1) // 5 % 2
    stack = [noise, 255 * (noise > 127), np.full_like(noise, 255), 255 * chess]
    return np.stack(stack).astype(np.uint8)


@pytest.mark.parametrize("size", [1, 64, 128, 224, 256])
def test_a_compiled_program_reduces_frames_to_the_same_bits(size):
    """As collection does without JAX, frame by frame."""
    frames = extreme_frames()
    compiled = jax.jit(to_size, static_argnums=1)(frames.reshape(2, 2, *frames.shape[1:]), size)
    assert compiled.shape == (2, 2, size, size, 3)
    assert compiled.dtype == np.uint8
    one_by_one = np.stack([to_size(frame, size) for frame in frames])
    np.testing.assert_array_equal(compiled.reshape(one_by_one.shape), one_by_one)


@pytest.mark.parametrize("size", [1, 64, 127, 224])
def test_sizes_that_are_not_stored_are_pillows_lanczos_to_the_last_bit(size):
    for frame in extreme_frames():
        expected = np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.LANCZOS))
        np.testing.assert_array_equal(to_size(frame, size), expected)


def test_the_stored_size_is_the_exact_mean_and_the_rendered_one_stays():
    frames = extreme_frames()
    np.testing.assert_array_equal(to_size(frames, STORED_SIZE), to_stored_size(frames))
    assert to_size(frames, RENDER_SIZE) is frames
    with pytest.raises(ValueError, match="image_size=257 must be from 1 to 256"):
        to_size(frames, 257)
