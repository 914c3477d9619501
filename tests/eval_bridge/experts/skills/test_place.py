import numpy as np
import pytest

from eval_bridge.experts.grasp_planning import Grasp
from eval_bridge.experts.motion import hand_down
from eval_bridge.experts.scene import Box
from eval_bridge.experts.skills import pick, place
from eval_bridge.experts.skills.hand import SkillFailed
from tests.eval_bridge.experts.kinematic_scene import BLOCK, KinematicScene, play

GRASP = Grasp(np.array([0.0, 0.0, 0.035]), yaw=0.0, cost=0.0)


def _grasped_scene() -> KinematicScene:
    scene = KinematicScene()
    play(scene, pick.approach(scene, BLOCK, GRASP))
    play(scene, pick.descend_and_close(scene, GRASP))
    return scene


def test_carry_and_place_put_the_block_on_the_plate_and_leave_it():
    scene = _grasped_scene()
    play(scene, pick.lift(scene, BLOCK, GRASP))
    play(scene, place.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    np.testing.assert_allclose(scene.block[:2], scene.plate[:2], atol=0.015)
    play(scene, place.place(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    assert scene.is_satisfied(("on", BLOCK, "plate_1"))
    assert scene.opening == 0.08
    assert scene.hand_position[2] > scene.block[2] + 0.05


def test_a_block_lost_on_the_way_is_reported_at_once():
    scene = _grasped_scene()
    play(scene, pick.lift(scene, BLOCK, GRASP))
    actions = place.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw)
    scene.execute(next(actions))
    scene.release()
    scene.block[2] -= 0.05  # it fell
    before = scene.hand_position.copy()
    with pytest.raises(SkillFailed, match="block_1 was lost"):
        play(scene, actions)
    np.testing.assert_array_equal(scene.hand_position, before)


def test_backing_off_is_needed_only_below_something():
    scene = _grasped_scene()
    play(scene, pick.lift(scene, BLOCK, GRASP))
    assert list(place.back_off(scene, BLOCK, GRASP.yaw)) == []
    roof = scene.towers[0]
    scene.towers.append(type(roof)(np.array([0.01, -0.1, 0.0]), np.array([0.2, 0.1, 0.5])))  # reaches over the hand
    play(scene, place.back_off(scene, BLOCK, GRASP.yaw))
    assert scene.hand_position[0] + 0.04 < 0.02


def test_carrying_turns_a_disturbed_hand_back():
    scene = _grasped_scene()
    play(scene, pick.lift(scene, BLOCK, GRASP))
    scene.hand_rotation = hand_down(0.3)
    play(scene, place.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    np.testing.assert_allclose(scene.hand_rotation, hand_down(GRASP.yaw), atol=0.06)


def test_an_object_is_put_beside_a_wall_without_touching_it():
    scene = _lifted_scene()
    scene.towers.append(Box(np.array([0.125, 0.0, 0.0]), np.array([0.2, 0.3, 0.2])))  # 5 mm beside the landing block
    play(scene, place.carry(scene, BLOCK, np.array([0.1, 0.15]), GRASP.yaw))
    assert scene.block[2] - 0.03 > 0.2  # over the wall, which is on the way of the hand
    play(scene, place.place(scene, BLOCK, np.array([0.1, 0.15]), GRASP.yaw, is_tight=True))
    np.testing.assert_allclose(scene.block[:2], [0.1, 0.15], atol=0.005)


def test_the_hand_turns_the_object_on_its_way():
    scene = _lifted_scene()
    play(scene, place.carry(scene, BLOCK, scene.plate[:2], 0.5))
    np.testing.assert_allclose(scene.hand_rotation, hand_down(0.5), atol=0.1)
    np.testing.assert_allclose(scene.block[:2], scene.plate[:2], atol=0.015)


def _lifted_scene() -> KinematicScene:
    scene = _grasped_scene()
    play(scene, pick.lift(scene, BLOCK, GRASP))
    return scene


def test_lowers_quickly_until_shortly_above_the_landing():
    scene = _grasped_scene()
    play(scene, pick.lift(scene, BLOCK, GRASP))
    play(scene, place.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    scene.hand_position[2] += 0.2
    scene.block[2] += 0.2
    speeds = []
    for action in place.place(scene, BLOCK, scene.plate[:2], GRASP.yaw):
        if action[6] < 0:
            break
        speeds.append(-action[2])
        scene.execute(action)
    assert max(speeds) == pytest.approx(1.0)
    assert max(speeds[-3:]) <= place.DESCENT_SPEED + 1e-6


def test_is_above_the_place_before_it_is_lowered_and_let_go_there():
    scene = _lifted_scene()
    play(scene, place.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    for part in (scene.hand_position, scene.block):
        part += [0.012, -0.01, 0.1]  # as far as a carry may stop from its end
    height, aligned = scene.block[2], None
    for action in place.place(scene, BLOCK, scene.plate[:2], GRASP.yaw):
        scene.execute(action)
        if aligned is None and scene.block[2] < height - 0.005:
            aligned = np.abs(scene.block - scene.plate)[:2].max()
    assert aligned is not None
    assert aligned <= place.ALIGNED
    assert np.abs(scene.block - scene.plate)[:2].max() <= place.ALIGNED
