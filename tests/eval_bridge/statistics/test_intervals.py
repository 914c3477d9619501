import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_bridge.statistics.intervals import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29, score method.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_known_values(successes, trials, low, high):
    interval = wilson_interval(successes, trials)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


@given(trials=st.integers(1, 500), data=st.data())
def test_contains_the_rate_and_mirrors(trials, data):
    successes = data.draw(st.integers(0, trials))
    interval, mirrored = wilson_interval(successes, trials), wilson_interval(trials - successes, trials)
    assert 0.0 <= interval.low <= successes / trials <= interval.high <= 1.0
    assert interval.low == pytest.approx(1 - mirrored.high)


def test_nothing_is_known_without_trials():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_wider_for_more_confidence():
    assert wilson_interval(5, 10, 0.99).low < wilson_interval(5, 10, 0.9).low


@pytest.mark.parametrize("arguments", [(3, 2), (-1, 2), (1, 2, 1.0)])
def test_impossible_counts_are_refused(arguments):
    with pytest.raises(ValueError, match="must lie between"):
        wilson_interval(*arguments)
