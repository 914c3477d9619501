import numpy as np
import pytest

from eval_bridge.simulators.perturbation.robot_posture import DISTANCES, HOME, posture


@pytest.mark.parametrize(
    ("number", "published"),
    [
        (1, [0.02097405, -0.16687568, 0.02734903, -2.38028663, -0.00988726, 2.21686563, 0.85208136]),
        (2, [0.03347899, -0.181518, 0.02366894, -2.46481386, -0.02031725, 2.2373077, 0.70193217]),
    ],
)
def test_postures_are_those_of_libero_plus(number, published):
    """Of its `MountedPanda1`, `MountedPanda2`."""
    assert posture(number).tolist() == published


def test_distances_rise_by_hundreds():
    for number in (1, 100, 101, 300, 301, 500):
        distance = DISTANCES[(number - 1) // 100]
        assert np.linalg.norm(posture(number) - HOME) == pytest.approx(distance, abs=1e-7)


@pytest.mark.parametrize("number", [0, 501])
def test_there_are_500(number):
    with pytest.raises(ValueError, match=f"posture {number} does not exist"):
        posture(number)
