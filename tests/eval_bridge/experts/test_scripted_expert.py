import numpy as np
import pytest

from eval_bridge.experts.goal import open_goals
from eval_bridge.experts.scripted_expert import ExpertFailed, ScriptedExpert
from tests.eval_bridge.experts.kinematic_scene import KinematicScene


def _solve(scene: KinematicScene, disturb=lambda step, action: action) -> list[np.ndarray]:
    actions = []
    for action in ScriptedExpert(scene).actions():
        actions.append(action)
        scene.execute(disturb(len(actions), action))
    return actions


@pytest.mark.parametrize("tower", [0.0, 0.15])
def test_carries_the_block_to_the_plate(tower):
    scene = KinematicScene(tower=tower)
    actions = _solve(scene)
    assert scene.is_satisfied(scene.goal()[0])
    assert len(actions) < 150
    assert all(action.dtype == np.float32 and np.abs(action).max() <= 1 for action in actions)


def test_the_gripper_closes_once_and_opens_once():
    grips = np.array([action[6] for action in _solve(KinematicScene())])
    assert np.count_nonzero(np.diff(grips)) == 2


def test_the_planned_grasp_is_where_the_gripper_closes():
    scene = KinematicScene()
    (goal,) = open_goals(scene)
    grasp = ScriptedExpert(scene).plan(goal)
    for action in ScriptedExpert(scene).actions():
        if action[6] > 0:
            break
        scene.execute(action)
    np.testing.assert_allclose(scene.hand().position, grasp.position, atol=0.01)


def test_is_deterministic():
    np.testing.assert_array_equal(_solve(KinematicScene()), _solve(KinematicScene()))


def test_plans_again_when_the_block_moved_meanwhile():
    scene = KinematicScene()

    def push(step, action):
        if step == 3:
            scene.block[:2] += 0.08
        return action

    _solve(scene, push)
    assert scene.is_satisfied(scene.goal()[0])


def test_tries_again_after_a_failed_grasp_and_then_gives_up():
    scene = KinematicScene()
    scene.is_slippery = True

    def dry_later(step, action):
        scene.is_slippery = step < 60
        return action

    _solve(scene, dry_later)
    assert scene.is_satisfied(scene.goal()[0])

    hopeless = KinematicScene()
    hopeless.is_slippery = True
    with pytest.raises(ExpertFailed, match="gave up after 3 attempts: block_1 was not lifted"):
        _solve(hopeless)


def test_does_nothing_where_the_goal_holds():
    scene = KinematicScene(block=(0.1, 0.15))
    scene.block[2] = 0.05
    assert _solve(scene) == []


def test_recovers_from_disturbed_actions():
    generator = np.random.default_rng(0)

    def shake(step, action):
        pushed = np.clip(action[:6] + generator.normal(scale=[0.3] * 3 + [0.0] * 3), -1, 1)
        return np.append(pushed, action[6])

    scene = KinematicScene()
    _solve(scene, shake)
    assert scene.is_satisfied(scene.goal()[0])
