import numpy as np
import pytest

from eval_bridge.experts.motion import GRIPPER_OPEN, hand_down
from eval_bridge.experts.scene import Pose
from eval_bridge.experts.skills.hand import PATIENCE, SkillFailed, close_fingers, move
from tests.eval_bridge.experts.kinematic_scene import KinematicScene, play


def test_move_goes_straight_and_ends_within_the_tolerance():
    scene = KinematicScene()
    start, target = scene.hand_position, Pose(np.array([0.0, 0.2, 0.1]), hand_down(0.5))
    path = play(scene, move(scene, target, GRIPPER_OPEN, tolerance=0.01))
    assert np.linalg.norm(path[-1] - target.position) < 0.01
    way = (target.position - start) / np.linalg.norm(target.position - start)
    assert max(np.linalg.norm(np.cross(point - start, way)) for point in path) < 1e-6


def test_move_gives_up_when_nothing_moves():
    scene = KinematicScene()
    target = Pose(np.array([0.5, 0.0, 0.3]), hand_down(0.0))
    assert len(list(move(scene, target, GRIPPER_OPEN, tolerance=0.01))) == PATIENCE + 1


def test_move_ends_early_on_request():
    scene = KinematicScene()
    target = Pose(np.array([0.5, 0.0, 0.3]), hand_down(0.0))
    play(scene, move(scene, target, GRIPPER_OPEN, tolerance=0.01, until=lambda: scene.hand_position[0] > 0))
    assert 0 < scene.hand_position[0] < 0.05


def test_closing_fingers_stay_where_they_are_though_the_arm_sags():
    scene = KinematicScene()
    at = Pose(scene.hand_position.copy(), hand_down(0.0))
    for action in close_fingers(scene, at):
        scene.execute(action)
        scene.hand_position = scene.hand_position - [0.003, 0.0, 0.0]
    assert abs(scene.hand_position[0] - at.position[0]) < 0.006


def test_fingers_that_are_pulled_away_as_they_close_have_failed_at_once():
    scene = KinematicScene()
    at = Pose(scene.hand_position.copy(), hand_down(0.0))
    closing = close_fingers(scene, at, furthest=0.03)
    next(closing)
    scene.hand_position = scene.hand_position + np.array([0.0, 0.0, 0.04])
    with pytest.raises(SkillFailed, match=r"the hand was 0.04 m away"):
        next(closing)
