import pytest

from eval_bridge.report.charts import band, round_step, stairs, ticks


@pytest.mark.parametrize(("least", "step"), [(0.9, 1.0), (1.0, 1.0), (1.1, 2.0), (44.0, 50.0), (0.031, 0.05), (6, 10)])
def test_steps_are_round(least, step):
    assert round_step(least) == pytest.approx(step)


def test_ticks_are_round_and_within_the_axis():
    assert ticks(220) == ((0.0, "0"), *((pytest.approx(100 * step / 220), str(step)) for step in (50, 100, 150, 200)))
    assert [tick.text for tick in ticks(0.5)] == ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]
    assert ticks(0.5)[-1].percent == pytest.approx(100)


def test_stairs_hold_each_height_until_the_next_x():
    assert stairs([0, 40, 70], [0, 25, 50]) == "M0.00 0.00H40.00V25.00H70.00V50.00H100"
    assert stairs([0], [0]) == "M0.00 0.00H100"


def test_band_goes_along_the_upper_and_back_along_the_lower_stairs():
    assert band([0, 40], [10, 30], [0, 20]) == "M0.00 0.00H40.00V20.00H100V30.00H40.00V10.00H0.00Z"
