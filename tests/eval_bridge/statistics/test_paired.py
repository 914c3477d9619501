import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval_bridge.statistics.paired import PairedCounts, bootstrap_difference, mcnemar_p_value


@pytest.mark.parametrize(
    ("first_only", "second_only", "p_value"),
    [
        (0, 0, 1.0),
        (0, 1, 1.0),
        (0, 5, 2 / 2**5),
        (1, 4, 2 * (1 + 5) / 2**5),
        (3, 3, 1.0),
        (10, 25, 0.0167),  # Statistic 6.43 of the asymptotic test, p = 0.0112; the exact one is larger.
    ],
)
def test_mcnemar_by_hand(first_only, second_only, p_value):
    assert mcnemar_p_value(first_only, second_only) == pytest.approx(p_value, rel=5e-3)


@given(first_only=st.integers(0, 300), second_only=st.integers(0, 300))
def test_mcnemar_is_symmetric_and_a_probability(first_only, second_only):
    p_value = mcnemar_p_value(first_only, second_only)
    assert 0 < p_value <= 1
    assert p_value == mcnemar_p_value(second_only, first_only)


def test_counts():
    counts = PairedCounts(both=4, first_only=1, second_only=3, neither=2)
    assert (counts.episodes, counts.first_successes, counts.second_successes) == (10, 5, 7)
    assert counts.difference == pytest.approx(0.2)


def test_bootstrap_agrees_with_resampling_episodes_one_by_one():
    """Independently: an array of differences by task, drawn with replacement."""
    tasks = [PairedCounts(10, 2, 8, 5), PairedCounts(3, 6, 1, 20)]
    generator = np.random.default_rng(1)
    rates = []
    for _ in range(4000):
        drawn = [
            generator.choice([0] * (task.both + task.neither) + [-1] * task.first_only + [1] * task.second_only, n)
            for task, n in ((task, task.episodes) for task in tasks)
        ]
        rates.append(np.concatenate(drawn).mean())
    low, high = np.percentile(rates, [2.5, 97.5])
    interval = bootstrap_difference(tasks)
    assert interval.low == pytest.approx(low, abs=0.02)
    assert interval.high == pytest.approx(high, abs=0.02)


def test_bootstrap_stays_within_tasks():
    """One task is always lost and one always won: drawing within tasks there is nothing to vary."""
    assert bootstrap_difference([PairedCounts(0, 10, 0, 0), PairedCounts(0, 0, 30, 0)]) == (0.5, 0.5)


def test_bootstrap_is_near_the_normal_interval():
    counts = PairedCounts(300, 40, 70, 90)
    variance = (110 / 500 - (30 / 500) ** 2) / 500
    interval = bootstrap_difference([counts])
    assert interval.low == pytest.approx(0.06 - 1.96 * math.sqrt(variance), abs=0.005)
    assert interval.high == pytest.approx(0.06 + 1.96 * math.sqrt(variance), abs=0.005)


def test_bootstrap_depends_on_its_seed_alone():
    counts = [PairedCounts(5, 3, 4, 5)]
    assert bootstrap_difference(counts, seed=3) == bootstrap_difference(counts, seed=3)
    assert bootstrap_difference(counts, resamples=50, seed=3) != bootstrap_difference(counts, resamples=50, seed=4)


def test_no_discordant_pairs_have_no_width():
    assert bootstrap_difference([PairedCounts(5, 0, 0, 5)]) == (0.0, 0.0)
