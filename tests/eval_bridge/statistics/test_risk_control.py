"""Thresholds whose risk is bounded, by hand and on many simulated sets of episodes."""

import numpy as np
import pytest

from eval_bridge.statistics.risk_control import control_risk, mean_interval

THRESHOLDS = (0.1, 0.2, 0.3)


def test_the_most_permissive_threshold_within_the_bound_is_taken():
    # Means of four episodes: 0, 0.25, 0.5; bounds (4 mean + 1) / 5: 0.2, 0.4, 0.6.
    losses = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 0.5, 0.5, 0]])
    for alpha, threshold, bound in ((0.2, 0.1, 0.2), (0.39, 0.1, 0.2), (0.4, 0.2, 0.4), (0.9, 0.3, 0.6)):
        found = control_risk(THRESHOLDS, losses, alpha)
        assert (found.threshold, found.bound) == (threshold, pytest.approx(bound))
        np.testing.assert_array_equal(found.losses, losses[THRESHOLDS.index(threshold)])


def test_without_losses_the_episodes_must_be_many_enough():
    for count, threshold in ((18, None), (19, 0.3)):
        found = control_risk(THRESHOLDS, np.zeros((3, count)), 0.05)
        assert found.threshold == threshold
        assert found.bound == pytest.approx(1 / (count + 1))


def test_where_nothing_fits_the_strictest_threshold_says_by_how_much():
    found = control_risk(THRESHOLDS, np.array([[0.5, 0.1], [1, 1], [1, 1]]), 0.5)
    assert (found.threshold, found.bound) == (None, pytest.approx((0.6 + 1) / 3))
    np.testing.assert_array_equal(found.losses, [0.5, 0.1])


def test_a_threshold_that_fits_again_behind_one_that_does_not_is_not_taken():
    losses = np.array([[0.0] * 4, [1.0] * 4, [0.0] * 4])
    assert control_risk(THRESHOLDS, losses, 0.3).threshold == 0.1


def test_what_cannot_be_controlled_is_refused():
    losses = np.zeros((3, 4))
    for thresholds, given, alpha, message in (
        (THRESHOLDS[:2], losses, 0.1, r"losses has shape \(3, 4\); expected \[2, N\]"),
        (THRESHOLDS, losses[:, :0], 0.1, r"shape \(3, 0\); expected \[3, N\] with N >= 1"),
        ((0.1, 0.1, 0.2), losses, 0.1, r"thresholds=\[0.1, 0.1, 0.2\] must rise"),
        (THRESHOLDS, losses + 1.5, 0.1, "losses lie from 1.5 to 1.5; they must lie from 0 to 1"),
        (THRESHOLDS, losses - 0.5, 0.1, "losses lie from -0.5 to -0.5"),
        (THRESHOLDS, losses, 1.0, "alpha=1.0 must lie between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            control_risk(thresholds, given, alpha)


def test_a_new_episodes_expected_loss_is_within_alpha():
    """2,000 sets of 25 exchangeable episodes whose losses rise with the threshold, each with one episode more.

    An episode fails altogether behind a threshold of its own: the hardest of all losses to bound. Four of 25 may fail,
    so that the chosen threshold lies just below the fifth's, and the new episode's own is below it once in 26 / 5.
    Without the term of the new episode, 1 / (N + 1), five might, and the mean loss would be 6 / 26, above alpha.
    """
    generator = np.random.default_rng(0)
    sets, count, alpha = 2000, 25, 0.2
    thresholds = np.linspace(0.0, 1.0, 101)
    breaks = generator.uniform(0, 1, (sets, count + 1))
    met = []
    for of_set in breaks:
        losses = (of_set[None] < thresholds[:, None]).astype(float)
        found = control_risk(tuple(thresholds), losses[:, :-1], alpha)
        assert found.threshold is not None
        met.append(losses[np.flatnonzero(thresholds == found.threshold)[0], -1])
    standard_error = np.std(met) / np.sqrt(sets)
    assert np.mean(met) <= alpha + 2 * standard_error
    assert np.mean(met) == pytest.approx(5 / 26, abs=0.01 + 2 * standard_error)  # 0.01 are the thresholds' steps


def test_the_interval_of_a_mean():
    # Mean 0.25, standard deviation 0.5 (with N - 1), of four: 1.96 * 0.25 to either side, cut at 0.
    low, high = mean_interval(np.array([0.0, 0.0, 0.0, 1.0]))
    assert (low, high) == (0.0, pytest.approx(0.25 + 1.959964 * 0.25))
    low, high = mean_interval(np.array([0.4, 0.6]), confidence=0.5)
    assert (low, high) == (pytest.approx(0.5 - 0.67449 * 0.1), pytest.approx(0.5 + 0.67449 * 0.1))
    with pytest.raises(ValueError, match="values has 1 entries; an interval needs at least 2"):
        mean_interval(np.array([0.1]))
