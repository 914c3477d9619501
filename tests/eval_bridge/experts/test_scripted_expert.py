import numpy as np
import pytest

from eval_bridge.experts.goal import open_goals
from eval_bridge.experts.motion import yaw_of
from eval_bridge.experts.route import Route
from eval_bridge.experts.scene import Box
from eval_bridge.experts.scripted_expert import ExpertFailed, ScriptedExpert
from eval_bridge.experts.skills.hand import is_gripped
from eval_bridge.experts.style import Style, StyleSettings, draw_style, style_generator
from eval_bridge.experts.style_record import StyleRecord
from tests.eval_bridge.experts.kinematic_scene import KinematicScene


def _solve(
    scene: KinematicScene, disturb=lambda step, action: action, style: StyleRecord | None = None
) -> list[np.ndarray]:
    actions = []
    for action in ScriptedExpert(scene, style=style).actions():
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


def _in_style(style: Style, scene: KinematicScene | None = None, disturb=lambda step, action: action):
    """Solves the task in a style; returns the actions, where the hand was, its yaw where it closed, and the record."""
    scene, record, path = scene or KinematicScene(), StyleRecord(style), []
    closed_at = []

    def watch(step, action):
        path.append(scene.hand_position)
        if action[6] > 0:
            closed_at.append(yaw_of(scene.hand_rotation))
        return disturb(step, action)

    actions = _solve(scene, watch, record)
    assert scene.is_satisfied(scene.goal()[0])
    return actions, np.array(path), closed_at[0], record


def test_a_style_in_which_nothing_is_drawn_changes_no_bit():
    style = draw_style(StyleSettings(), style_generator(5), goals=1)
    actions, _, _, record = _in_style(style)
    np.testing.assert_array_equal(actions, _solve(KinematicScene()))
    assert (record.kinds, record.departures) == ({}, {})


def test_the_side_asked_for_decides_how_the_block_is_gripped():
    _, _, across, record = _in_style(Style(side=90.0))
    assert record.kinds["grasp block_1"] == "middle, crosswise"
    _, _, along, record = _in_style(Style(side=180.0))
    assert record.kinds["grasp block_1"] == "middle, lengthwise"
    assert (across, along) == pytest.approx((0.0, np.pi / 2), abs=0.1)


def test_a_side_without_a_good_grasp_gives_way_to_the_planners_best():
    scene = KinematicScene()
    beside = np.array([0.02, 0.05, 0.2])  # before and behind the block: no finger fits there
    for sign in (-1, 1):
        middle = np.array([sign * 0.045, 0.0, 0.0])
        scene.towers.append(Box(middle - [0.02, 0.05, 0.0], middle + beside * [1.0, 1.0, 0.4]))
    _, _, yaw, record = _in_style(Style(side=180.0), scene)
    assert abs(yaw) < 0.8
    assert record.kinds["grasp block_1"] == "middle, crosswise"
    assert "costs" in record.departures["grasp block_1"]


def test_routes_lead_around_on_both_sides():
    paths = {}
    for offset in (0.0, 0.1, -0.1):
        _, path, _, record = _in_style(Style(approach=Route(0.0, offset), carry=Route(0.03, -offset / 2)))
        paths[offset] = path[:30, 1]
        if offset:
            kinds = ("left", "right") if offset > 0 else ("right", "left")
            assert (record.kinds["approach block_1"], record.kinds["carry block_1"]) == kinds
    assert np.abs(paths[0.0]).max() < 0.01
    assert paths[0.1].max() > 0.06
    assert paths[-0.1].min() < -0.06


def test_a_slow_episode_is_longer_and_its_actions_are_smaller():
    fast, slow = (_in_style(Style(speed=speed))[0] for speed in (1.0, 0.5))
    assert len(slow) > 1.2 * len(fast)
    assert np.abs(np.array(slow)[:, :3]).max() <= 0.5


def test_the_last_attempt_is_made_in_the_planners_own_way():
    scene = KinematicScene()
    scene.is_slippery = True
    misses = []

    def dry_later(step, action):
        misses.append(action[6] > 0)
        closings = np.count_nonzero(np.diff(np.array(misses, int)) == 1)
        scene.is_slippery = closings < 3
        return action

    *_, record = _in_style(Style(side=180.0, carry=Route(0.0, 0.1)), scene, dry_later)
    assert record.departures["last attempt at on block_1 plate_1"] == "failed before: block_1 was not lifted"
    assert record.kinds["carry block_1"] == "over"


def test_goes_on_with_what_another_has_picked_up_and_lifted():
    """The fingers stay closed until the block is on the plate."""
    scene = KinematicScene()
    actions = ScriptedExpert(scene).actions()
    while scene.touches_something("block_1"):
        scene.execute(next(actions))
    assert is_gripped(scene, "block_1")
    grips = [action[6] for action in _solve(scene)]
    assert scene.is_satisfied(scene.goal()[0])
    opens = grips.index(-1.0)
    assert opens > 10
    assert set(grips[:opens]) == {1.0}
    assert set(grips[opens:]) == {-1.0}


def test_lifts_what_another_has_closed_the_fingers_on():
    scene = KinematicScene()
    for action in ScriptedExpert(scene).actions():
        scene.execute(action)
        if scene._held_at is not None:
            break
    assert scene.touches_something("block_1")
    grips = [action[6] for action in _solve(scene)]
    assert set(grips[: grips.index(-1.0)]) == {1.0}
    assert scene.is_satisfied(scene.goal()[0])


@pytest.mark.parametrize("opening", [0.0, 0.08])
def test_fingers_that_hold_nothing_grasp_anew(opening):
    scene = KinematicScene()
    scene.hand_position, scene.opening = scene.block.copy(), opening
    assert not is_gripped(scene, "block_1")
    assert _solve(scene)[0][6] == -1.0
    assert scene.is_satisfied(scene.goal()[0])
