import numpy as np
import pytest

from eval_bridge.simulators.perturbation.blur import motion_blur


class Angle:
    """A generator that draws one angle."""

    def __init__(self, degrees):
        self.degrees = degrees

    def uniform(self, low, high):
        assert low <= self.degrees <= high
        return self.degrees


def test_motion_blur_weighs_pixels_to_the_right_by_half_a_gaussian():
    """Severity 1 has radius 5 and sigma 2: of eleven weights the first is 100 % / 3.0067 of a column of light."""
    frame = np.zeros((20, 40, 3), np.uint8)
    frame[:, 20] = 255
    blurred = motion_blur(frame, 1, Angle(0.0))[10, :, 0]
    weights = np.exp(-(np.arange(11) ** 2) / 8.0)
    expected = np.floor(255 * weights / weights.sum() + 0.5)
    assert blurred[20:9:-1].tolist() == expected.tolist()
    assert not blurred[21:].any()
    assert blurred[20] == 85


def test_motion_blur_goes_down_with_the_angle_and_repeats_the_edge():
    frame = np.zeros((20, 20, 3), np.uint8)
    frame[10, 10] = 255
    blurred = motion_blur(frame, 1, Angle(45.0))[..., 0]
    assert blurred[9, 9] > 0  # sees the light one pixel to the right and one below
    assert blurred[9, 10] == blurred[11, 11] == 0
    frame[:] = 7
    assert (motion_blur(frame, 10, Angle(-45.0)) == 7).all()


@pytest.mark.parametrize("severity", [1, 10])
def test_all_severities_exist(severity):
    assert motion_blur(np.zeros((8, 8, 3), np.uint8), severity, Angle(1.0)).shape == (8, 8, 3)
