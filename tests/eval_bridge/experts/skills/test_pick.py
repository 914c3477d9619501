import numpy as np
import pytest

from eval_bridge.experts.grasp_planning import Grasp
from eval_bridge.experts.skills import pick
from eval_bridge.experts.skills.hand import SkillFailed
from tests.eval_bridge.experts.kinematic_scene import BLOCK, KinematicScene, play

GRASP = Grasp(np.array([0.0, 0.0, 0.035]), yaw=0.0, cost=0.0)


def _grasped_scene() -> KinematicScene:
    scene = KinematicScene()
    play(scene, pick.approach(scene, BLOCK, GRASP))
    play(scene, pick.descend_and_close(scene, GRASP))
    return scene


def test_approach_ends_above_the_grasp_with_open_fingers():
    scene = KinematicScene()
    play(scene, pick.approach(scene, BLOCK, GRASP))
    assert np.linalg.norm(scene.hand_position[:2]) < 0.02
    assert scene.hand_position[2] >= GRASP.position[2] + pick.APPROACH_HEIGHT - 0.02
    assert scene.opening == 0.08


def test_approach_rises_over_what_is_in_between():
    scene = KinematicScene(tower=0.35)
    grasp = GRASP._replace(position=np.array([0.0, 0.0, 0.385]))
    path = play(scene, pick.approach(scene, BLOCK, grasp))
    near_tower = [point for point in path if abs(point[0]) < 0.05]
    assert near_tower
    assert min(point[2] for point in near_tower) > 0.36


def test_grasp_and_lift_take_the_block_along():
    scene = _grasped_scene()
    assert scene.opening == pytest.approx(0.04)
    before = scene.block[2]
    play(scene, pick.lift(scene, BLOCK, GRASP))
    assert scene.block[2] > before + 0.04


def test_a_lift_without_the_block_is_reported_above_the_block_with_opening_fingers():
    scene = KinematicScene()
    scene.is_slippery = True
    play(scene, pick.approach(scene, BLOCK, GRASP))
    play(scene, pick.descend_and_close(scene, GRASP))
    with pytest.raises(SkillFailed, match="block_1 was not lifted"):
        play(scene, pick.lift(scene, BLOCK, GRASP))
    assert scene.opening > 0
    assert scene.hand_position[2] > GRASP.position[2] + pick.LIFT_HEIGHT


def test_the_hand_is_slow_where_the_arm_is_nearly_stretched():
    scene = KinematicScene(block=(0.05, -0.3))
    grasp = GRASP._replace(position=np.array([0.05, -0.3, 0.035]))
    fastest = {False: 0.0, True: 0.0}
    for action in pick.approach(scene, BLOCK, grasp):
        is_far = np.linalg.norm((scene.hand_position - scene.robot_base())[:2]) > pick.FAR
        fastest[bool(is_far)] = max(fastest[bool(is_far)], np.abs(action[:2]).max())
        scene.execute(action)
    assert fastest == {False: pytest.approx(1.0), True: pytest.approx(pick.FAR_SPEED)}
