import numpy as np

from eval_bridge.experts.route import FARTHEST, NEAREST, is_within_reach, via_point

START, END = np.array([0.0, 0.0, 0.3]), np.array([0.4, 0.0, 0.1])


def test_a_bow_passes_beside_the_middle_of_the_way():
    np.testing.assert_allclose(via_point(START, END, 0.1), [0.2, 0.1])  # to the left
    np.testing.assert_allclose(via_point(START, END, -0.1), [0.2, -0.1])
    np.testing.assert_allclose(via_point(END, START, 0.1), [0.2, -0.1])  # seen in the direction of travel


def test_a_short_way_makes_a_small_bow_and_a_very_short_one_none():
    np.testing.assert_allclose(via_point(START, np.array([0.06, 0.0]), 0.1), [0.03, 0.06])
    assert via_point(START, np.array([0.04, 0.0]), 0.1) is None
    assert via_point(START, END, 0.0) is None


def test_reach_has_an_inner_and_an_outer_end():
    base = np.array([-0.66, 0.0, 0.9])
    for distance, expected in ((NEAREST - 0.01, False), (NEAREST + 0.01, True), (FARTHEST + 0.01, False)):
        assert is_within_reach(base + distance * np.array([0.0, 1.0, 0.0]), base) is expected
