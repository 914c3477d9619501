import numpy as np
import pytest

from eval_bridge.experts.scripted_expert import ScriptedExpert
from eval_bridge.experts.smooth_motion import MotionLimits, limit_change, smooth
from tests.eval_bridge.experts.kinematic_scene import KinematicScene

LIMITS = MotionLimits(acceleration=0.1, braking=0.2)
AT_REST = np.zeros(7, np.float32)


def _action(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_hand_at_rest_speeds_up_in_the_direction_asked_for_and_grips_at_once():
    first = limit_change(_action(0.5, -1.0, 0.0, 0.0, 0.3, 0.6, 1.0), AT_REST, LIMITS)
    np.testing.assert_allclose(first, [0.05, -0.1, 0.0, 0.0, 0.05, 0.1, 1.0], rtol=1e-6)
    assert first.dtype == np.float32


def test_braking_has_a_limit_of_its_own_and_turns_are_limited_apart():
    moving, asked = _action(0.0, 0.0, 1.0, 0.0, 0.0, 0.05, -1.0), _action(0.0, 0.0, 0.0, 0.0, 0.0, 0.3, -1.0)
    np.testing.assert_allclose(limit_change(asked, moving, LIMITS), [0, 0, 0.8, 0, 0, 0.15, -1], rtol=1e-6)


def test_what_lies_within_the_limits_is_left_as_it_is():
    moving = _action(0.3, 0.0, -0.2, 0.1, 0.0, 0.0, -1.0)
    asked = moving + _action(0.05, -0.05, 0.0, 0.02, 0.0, 0.0, 0.0)
    np.testing.assert_array_equal(limit_change(asked, moving, LIMITS), asked)


def test_without_limits_every_action_is_the_same_to_the_last_bit():
    actions = np.random.default_rng(0).uniform(-1, 1, (50, 7)).astype(np.float32)
    np.testing.assert_array_equal(list(smooth(actions, MotionLimits())), actions)


def test_the_next_action_is_asked_for_only_after_the_last_was_taken():
    asked = []

    def actions():
        for step in range(3):
            asked.append(step)
            yield AT_REST

    smoothed = smooth(actions(), LIMITS)
    for steps in range(1, 4):
        next(smoothed)
        assert len(asked) == steps


def test_the_expert_does_its_task_with_smooth_motions():
    scene, executed = KinematicScene(tower=0.15), [AT_REST]
    for action in smooth(ScriptedExpert(scene).actions(), LIMITS):
        executed.append(action)
        scene.execute(action)
    motions = np.array(executed)[:, :6]
    assert scene.is_satisfied(scene.goal()[0])
    assert np.abs(motions).max() > 0.9
    assert np.abs(np.diff(motions, axis=0)).max() <= LIMITS.braking + 1e-6


@pytest.mark.parametrize("name", ["acceleration", "braking"])
@pytest.mark.parametrize("value", [0.0, -0.1, 2.1])
def test_impossible_limits_are_rejected(name, value):
    with pytest.raises(ValueError, match=rf"{name} is {value}; it must lie in \(0, 2\]"):
        MotionLimits(**{name: value})
