import numpy as np
import pytest

from eval_bridge.simulators.perturbation.sensor_noise import COUNT, add_noise
from tests.eval_bridge.simulators.perturbation.frame_examples import FRAME, GlobalGenerator


@pytest.mark.parametrize(
    ("number", "first", "second", "total"),
    [
        (14, [82, 85, 33], [157, 200, 4], 24969957),
        (26, [137, 70, 99], [129, 175, 72], 24973898),
        (29, [154, 61, 141], [118, 170, 47], 24973221),
        (35, [87, 89, 64], [151, 161, 106], 24579108),
        (45, [64, 81, 26], [137, 197, 15], 24861100),
    ],
)
def test_frames_are_those_of_libero_plus(number, first, second, total):
    """Two pixels and the sum of all, computed by its code, which draws from NumPy's global generator."""
    noisy = add_noise(FRAME, number, GlobalGenerator())
    assert (noisy[100, 50].tolist(), noisy[10, 200].tolist()) == (first, second)
    assert noisy.sum(dtype=np.int64) == total


@pytest.mark.parametrize("number", range(1, COUNT + 1, 7))
def test_frames_keep_their_form_and_follow_from_the_generator(number):
    before = FRAME.copy()
    noisy = add_noise(FRAME, number, np.random.default_rng(3))
    assert (noisy.dtype, noisy.shape) == (np.uint8, FRAME.shape)
    np.testing.assert_array_equal(FRAME, before)
    np.testing.assert_array_equal(noisy, add_noise(FRAME, number, np.random.default_rng(3)))
    is_drawn = number <= 10 or number > 30
    assert (noisy != add_noise(FRAME, number, np.random.default_rng(4))).any() == is_drawn


@pytest.mark.parametrize("number", [1, 11, 41])
def test_blur_leaves_a_frame_of_one_colour(number):
    plain = np.full((256, 256, 3), 100, np.uint8)
    noisy = add_noise(plain, number, np.random.default_rng(0)).astype(int)
    assert np.abs(noisy - plain).max() <= 2  # fractions are cut off, twice by glass


def test_higher_severities_leave_less():
    def contrast(number):
        return add_noise(FRAME, number, np.random.default_rng(0))[..., 2].astype(float).std()

    for first in (1, 11, 21, 31, 41):
        assert contrast(first) > contrast(first + 9)


@pytest.mark.parametrize("number", [0, 51])
def test_there_are_50(number):
    with pytest.raises(ValueError, match=f"noise {number} does not exist"):
        add_noise(FRAME, number, np.random.default_rng(0))
