import pytest

from eval_bridge.analysis.time_to_success import measure_time_to_success
from eval_bridge.statistics.intervals import wilson_interval


def test_by_hand():
    found = measure_time_to_success([80, 100, 100, 220], [True, True, True, False])
    assert found.steps.tolist() == [80, 100]
    assert found.unsolved.tolist() == [0.75, 0.25]
    assert found.intervals == (wilson_interval(3, 4), wilson_interval(1, 4))
    assert found.quantiles == pytest.approx((84.0, 100.0, 100.0))
    assert found.median == 100


def test_step_of_a_failure_is_no_success():
    found = measure_time_to_success([50, 220, 220], [True, False, False])
    assert found.steps.tolist() == [50]
    assert found.median is None


def test_half_of_all_is_enough_for_the_median():
    assert measure_time_to_success([50, 220], [True, False]).median == 50


def test_no_success():
    found = measure_time_to_success([220], [False])
    assert (found.steps.size, found.quantiles, found.median) == (0, None, None)


@pytest.mark.parametrize(("steps", "successes"), [([], []), ([1], [True, False])])
def test_wrong_arguments(steps, successes):
    with pytest.raises(ValueError, match="one of each"):
        measure_time_to_success(steps, successes)
