import numpy as np
import pytest

from eval_bridge.experts.noise import CARRYING, DROPPING, MISSING, ActionNoise, NoiseSettings


def _disturbances(settings: NoiseSettings, steps: int = 400, seed: int = 0) -> np.ndarray:
    noise = ActionNoise(settings, np.random.default_rng(seed))
    return np.stack([noise.disturb(np.zeros(7, np.float32)) for _ in range(steps)])


def test_none_by_default():
    assert not _disturbances(NoiseSettings()).any()


def test_bursts_keep_their_direction_and_grow_and_fade():
    settings = NoiseSettings(1.0, shortest_burst=5, longest_burst=5, translation_std=0.1, rotation_std=0.1)
    burst = _disturbances(settings, steps=5)[:, :6]
    strength = np.linalg.norm(burst, axis=1)
    assert strength[0] < strength[1] < strength[2] > strength[3] > strength[4]
    np.testing.assert_allclose(burst / strength[:, None], np.tile(burst[0] / strength[0], (5, 1)), rtol=1e-5)


def test_frequency_follows_the_probability_and_rest_stays_clean():
    disturbed = _disturbances(NoiseSettings(0.05, shortest_burst=4, longest_burst=4), steps=4000).any(axis=1)
    assert disturbed.mean() == pytest.approx(0.05 * 4 / (1 + 0.05 * 3), rel=0.2)


def test_bursts_leave_the_gripper_alone_and_actions_stay_in_range():
    noise = ActionNoise(NoiseSettings(1.0, translation_std=5.0), np.random.default_rng(0))
    clean = np.array([1, -1, 0.5, 0, 0, 0, -1], np.float32)
    executed = np.stack([noise.disturb(clean) for _ in range(50)])
    assert (executed[:, 6] == -1).all()
    assert np.abs(executed).max() == 1.0
    assert executed.dtype == np.float32
    np.testing.assert_array_equal(clean, np.array([1, -1, 0.5, 0, 0, 0, -1], np.float32))


def _grippers(probability: float, commands: list[float], seed: int = 0) -> list[float]:
    noise = ActionNoise(NoiseSettings(drop_probability=probability), np.random.default_rng(seed))
    return [float(noise.disturb(np.array([0, 0, 0, 0, 0, 0, command], np.float32))[6]) for command in commands]


def test_a_hand_that_carries_something_drops_it_once():
    found = _grippers(1.0, [-1.0] * 5 + [1.0] * 100)
    begin = 5 + CARRYING - 1
    assert found == [-1.0] * 5 + [1.0] * (CARRYING - 1) + [-1.0] * DROPPING + [1.0] * (105 - begin - DROPPING)


def test_nothing_is_dropped_before_it_was_lifted_or_without_drops():
    short = ([1.0] * (CARRYING - 1) + [-1.0]) * 5
    assert _grippers(1.0, short) == short
    assert _grippers(0.0, [1.0] * 100) == [1.0] * 100


def _executed(settings: NoiseSettings, commands: list[float], seed: int = 0) -> np.ndarray:
    """Height command and gripper ``[T, 2]`` of a hand that is told to stay, with these gripper commands."""
    noise = ActionNoise(settings, np.random.default_rng(seed))
    told = [np.array([0, 0, 0, 0, 0, 0, command], np.float32) for command in commands]
    return np.stack([noise.disturb(action)[[2, 6]] for action in told])


def test_a_hand_that_misses_is_pulled_up_while_it_closes_for_the_first_time():
    # The expert opens it again after five steps, and closes it better later.
    commands = [-1.0] * 3 + [1.0] * 5 + [-1.0] * 20 + [1.0] * 20
    found = _executed(NoiseSettings(miss_probability=1.0), commands)
    assert (found[3 : 3 + MISSING] == 1.0).all()
    clean = np.r_[0:3, 3 + MISSING : len(commands)]
    np.testing.assert_array_equal(found[clean], np.column_stack([np.zeros(len(commands)), commands])[clean])


def test_closings_miss_as_often_as_asked():
    settings = NoiseSettings(miss_probability=0.3)
    missed = [_executed(settings, [-1.0] + [1.0] * 30, seed)[:, 0].any() for seed in range(400)]
    assert np.mean(missed) == pytest.approx(0.3, abs=0.07)


def test_bursts_are_the_same_whether_or_not_drops_are_off():
    # Demonstrations that were collected before there were drops.
    assert np.array_equal(_disturbances(NoiseSettings(0.3)), _disturbances(NoiseSettings(0.3, drop_probability=0.0)))


def test_the_same_generator_gives_the_same_noise():
    settings = NoiseSettings(0.3)
    np.testing.assert_array_equal(_disturbances(settings, seed=4), _disturbances(settings, seed=4))
    assert (_disturbances(settings, seed=4) != _disturbances(settings, seed=5)).any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"burst_probability": 1.5}, r"burst_probability is 1.5; it must lie in \[0, 1\]"),
        ({"drop_probability": -0.5}, r"drop_probability is -0.5; it must lie in \[0, 1\]"),
        ({"miss_probability": 2.0}, r"miss_probability is 2.0; it must lie in \[0, 1\]"),
        ({"shortest_burst": 8, "longest_burst": 4}, "shortest_burst is 8 and longest_burst 4"),
        ({"rotation_std": -0.1}, "rotation_std is -0.1"),
    ],
)
def test_refuses_values_out_of_range(values, message):
    with pytest.raises(ValueError, match=message):
        NoiseSettings(**values)
