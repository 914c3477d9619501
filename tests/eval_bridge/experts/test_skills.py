import numpy as np
import pytest

from eval_bridge.experts import skills
from eval_bridge.experts.grasp_planning import Grasp
from eval_bridge.experts.motion import GRIPPER_OPEN, hand_down
from eval_bridge.experts.scene import Pose
from tests.eval_bridge.experts.kinematic_scene import BLOCK, KinematicScene

GRASP = Grasp(np.array([0.0, 0.0, 0.035]), yaw=0.0, cost=0.0)


def _play(scene: KinematicScene, actions) -> list[np.ndarray]:
    path = []
    for action in actions:
        scene.execute(action)
        path.append(scene.hand_position)
    return path


def _grasped_scene() -> KinematicScene:
    scene = KinematicScene()
    _play(scene, skills.approach(scene, BLOCK, GRASP))
    _play(scene, skills.descend_and_close(scene, GRASP))
    return scene


def test_move_goes_straight_and_ends_within_the_tolerance():
    scene = KinematicScene()
    start, target = scene.hand_position, Pose(np.array([0.0, 0.2, 0.1]), hand_down(0.5))
    path = _play(scene, skills.move(scene, target, GRIPPER_OPEN, tolerance=0.01))
    assert np.linalg.norm(path[-1] - target.position) < 0.01
    way = (target.position - start) / np.linalg.norm(target.position - start)
    assert max(np.linalg.norm(np.cross(point - start, way)) for point in path) < 1e-6


def test_move_gives_up_when_nothing_moves():
    scene = KinematicScene()
    target = Pose(np.array([0.5, 0.0, 0.3]), hand_down(0.0))
    assert len(list(skills.move(scene, target, GRIPPER_OPEN, tolerance=0.01))) == skills.PATIENCE + 1


def test_move_ends_early_on_request():
    scene = KinematicScene()
    target = Pose(np.array([0.5, 0.0, 0.3]), hand_down(0.0))
    _play(scene, skills.move(scene, target, GRIPPER_OPEN, tolerance=0.01, until=lambda: scene.hand_position[0] > 0))
    assert 0 < scene.hand_position[0] < 0.05


def test_approach_ends_above_the_grasp_with_open_fingers():
    scene = KinematicScene()
    _play(scene, skills.approach(scene, BLOCK, GRASP))
    assert np.linalg.norm(scene.hand_position[:2]) < 0.02
    assert scene.hand_position[2] >= GRASP.position[2] + skills.APPROACH_HEIGHT - 0.02
    assert scene.opening == 0.08


def test_approach_rises_over_what_is_in_between():
    scene = KinematicScene(tower=0.35)
    grasp = GRASP._replace(position=np.array([0.0, 0.0, 0.385]))
    path = _play(scene, skills.approach(scene, BLOCK, grasp))
    near_tower = [point for point in path if abs(point[0]) < 0.05]
    assert near_tower
    assert min(point[2] for point in near_tower) > 0.36


def test_grasp_and_lift_take_the_block_along():
    scene = _grasped_scene()
    assert scene.opening == pytest.approx(0.04)
    before = scene.block[2]
    _play(scene, skills.lift(scene, BLOCK, GRASP))
    assert scene.block[2] > before + 0.04


def test_a_lift_without_the_block_is_reported_above_the_block_with_opening_fingers():
    scene = KinematicScene()
    scene.is_slippery = True
    _play(scene, skills.approach(scene, BLOCK, GRASP))
    _play(scene, skills.descend_and_close(scene, GRASP))
    with pytest.raises(skills.SkillFailed, match="block_1 was not lifted"):
        _play(scene, skills.lift(scene, BLOCK, GRASP))
    assert scene.opening > 0
    assert scene.hand_position[2] > GRASP.position[2] + skills.LIFT_HEIGHT


def test_carry_and_place_put_the_block_on_the_plate_and_leave_it():
    scene = _grasped_scene()
    _play(scene, skills.lift(scene, BLOCK, GRASP))
    _play(scene, skills.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    np.testing.assert_allclose(scene.block[:2], scene.plate[:2], atol=0.015)
    _play(scene, skills.place(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    assert scene.is_satisfied(("on", BLOCK, "plate_1"))
    assert scene.opening == 0.08
    assert scene.hand_position[2] > scene.block[2] + 0.05


def test_a_block_lost_on_the_way_is_reported():
    scene = _grasped_scene()
    _play(scene, skills.lift(scene, BLOCK, GRASP))
    actions = skills.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw)
    scene.execute(next(actions))
    scene.release()
    scene.block[2] = 0.03  # it fell
    with pytest.raises(skills.SkillFailed, match="block_1 was lost"):
        _play(scene, actions)


def test_backing_off_is_needed_only_below_something():
    scene = _grasped_scene()
    _play(scene, skills.lift(scene, BLOCK, GRASP))
    assert list(skills.back_off(scene, BLOCK, GRASP.yaw)) == []
    roof = scene.towers[0]
    scene.towers.append(type(roof)(np.array([0.01, -0.1, 0.0]), np.array([0.2, 0.1, 0.5])))  # reaches over the hand
    _play(scene, skills.back_off(scene, BLOCK, GRASP.yaw))
    assert scene.hand_position[0] + 0.04 < 0.02


def test_carrying_turns_a_disturbed_hand_back():
    scene = _grasped_scene()
    _play(scene, skills.lift(scene, BLOCK, GRASP))
    scene.hand_rotation = hand_down(0.3)
    _play(scene, skills.carry(scene, BLOCK, scene.plate[:2], GRASP.yaw))
    np.testing.assert_allclose(scene.hand_rotation, hand_down(GRASP.yaw), atol=0.06)
