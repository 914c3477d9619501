import numpy as np
import pytest

from rsd_jax.demos.frames import to_stored_size


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
    with pytest.raises(ValueError, match=r"expected uint8 \(256, 256, 3\)"):
        to_stored_size(frame)
