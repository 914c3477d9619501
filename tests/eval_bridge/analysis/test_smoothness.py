import numpy as np
import pytest

from eval_bridge.analysis.smoothness import jerk, log_dimensionless_jerk, measure_smoothness
from tests.eval_bridge.analysis.trace_examples import cut, pick_and_place


def test_jerk_of_a_cubic_is_its_third_derivative():
    seconds = np.arange(10)[:, None] / 20
    assert jerk(seconds**3, rate=20) == pytest.approx(np.full(7, 6.0))


def test_jerk_is_a_length():
    cubic = (np.arange(10) / 20) ** 3
    assert jerk(np.stack([3 * cubic, 4 * cubic], axis=1), rate=20) == pytest.approx(np.full(7, 30.0))


@pytest.mark.parametrize(("metres", "seconds"), [(0.3, 1.0), (0.1, 4.0)])
def test_reach_of_minimum_jerk_has_its_known_value_at_every_size_and_speed(metres, seconds):
    """x = 10 s^3 - 15 s^4 + 6 s^5: peak speed 15/8, integral of the squared jerk 720, so -ln(720 / (15/8)^2)."""
    rate = 200 / seconds
    part = np.linspace(0, 1, 201)
    path = np.zeros((201, 3))
    path[:, 1] = metres * (10 * part**3 - 15 * part**4 + 6 * part**5)
    assert log_dimensionless_jerk(path, rate) == pytest.approx(-np.log(720 / (15 / 8) ** 2), abs=0.05)


def test_shaking_is_less_smooth():
    still = np.cumsum(np.full((40, 3), 0.01), axis=0)
    still[:, 2] += 0.001 * np.sin(np.arange(40) / 4)
    shaking = still + 0.002 * (np.arange(40)[:, None] % 2)
    assert log_dimensionless_jerk(shaking, 20) < log_dimensionless_jerk(still, 20)


def test_without_motion_there_is_no_logarithm():
    assert log_dimensionless_jerk(np.ones((10, 3)), 20) is None


def test_episode():
    trace = pick_and_place()
    found = measure_smoothness(trace)
    hand = jerk(trace.eef_positions, 20)
    assert found.hand_jerk_mean == pytest.approx(hand.mean())
    assert found.hand_jerk_p95 == pytest.approx(np.percentile(hand, 95))
    assert found.translation_jerk == pytest.approx(jerk(trace.actions[:, :3], 20).mean())
    assert found.rotation_jerk == 0.0


def test_gripper_is_left_out():
    trace = pick_and_place()
    flicker = trace.actions.copy()
    flicker[::2, 6] *= -1
    assert measure_smoothness(trace._replace(actions=flicker)) == measure_smoothness(trace)


def test_too_short_to_tell():
    assert measure_smoothness(cut(pick_and_place(), 3)) is None
    assert measure_smoothness(cut(pick_and_place(), 4)) is not None
