import numpy as np
import pytest

from eval_bridge.simulators.perturbation.glass import take_neighbours


@pytest.mark.parametrize("reach", [1, 3])
def test_pixels_take_what_their_neighbours_show_at_that_moment(reach):
    """As one pixel after the other."""
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (24, 30, 3)).astype(np.uint8)
    rows, columns = np.arange(24 - reach, reach, -1), np.arange(30 - reach, reach, -1)
    shifts = generator.integers(-reach, reach, (len(rows), len(columns), 2))
    expected = image.copy()
    for r, row in enumerate(rows):
        for c, column in enumerate(columns):
            right, down = shifts[r, c]
            expected[row, column] = expected[row + down, column + right]
    np.testing.assert_array_equal(take_neighbours(image, rows, columns, shifts), expected)


def test_a_colour_travels_along_a_row_of_takers():
    image = np.array([[1, 2, 3, 4, 5]], np.uint8)[..., None]
    rows, columns = np.array([0]), np.array([3, 2, 1])
    to_the_right = np.broadcast_to([1, 0], (1, 3, 2))
    assert take_neighbours(image, rows, columns, to_the_right)[0, :, 0].tolist() == [1, 5, 5, 5, 5]
