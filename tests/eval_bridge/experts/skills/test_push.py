import numpy as np
import pytest

from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.motion import yaw_of
from eval_bridge.experts.scene import Box
from eval_bridge.experts.skills.hand import SkillFailed
from eval_bridge.experts.skills.push import push
from tests.eval_bridge.experts.kinematic_scene import BLOCK, PLATE, KinematicScene, play

SPOT = "table_spot"


class _PlateScene(KinematicScene):
    """The plate follows a hand whose fingertips press on it, if they have a hold along the direction of motion."""

    def __init__(self, is_smooth: bool = False) -> None:
        super().__init__(block=(-0.5, 0.4), plate=(0.0, -0.1), goal=[("on", PLATE, SPOT)])
        self.add_region(SPOT, centre=(0.0, 0.15, 0.0), half_size=(0.04, 0.04, 0.01))
        self.movable = (PLATE,)
        self.is_smooth = is_smooth
        self.yaws: list[float] = []
        self.presses: list[np.ndarray] = []

    def execute(self, action):
        before = self.hand_position.copy()
        super().execute(action)
        self.hand_position[2] = max(self.hand_position[2], self._ground())
        if self.hand_position[2] < self._ground() + 0.002:
            self.yaws.append(yaw_of(self.hand_rotation))
            self.presses.append((self.hand_position - self.plate)[:2])
            if not self.is_smooth:
                self.plate[:2] += (self.hand_position - before)[:2]

    def is_satisfied(self, predicate):
        return bool(np.abs(self.plate[:2] - [0.0, 0.15]).max() < 0.04)

    def _ground(self) -> float:
        over_plate = np.linalg.norm(self.hand_position[:2] - self.plate[:2]) < 0.05
        return PANDA_HAND.fingertip + (0.02 if over_plate else 0.0)


def test_leads_the_plate_into_the_region_and_leaves_it():
    scene = _PlateScene()
    play(scene, push(scene, PLATE, SPOT))
    assert scene.is_satisfied(("on", PLATE, SPOT))
    assert scene.hand_position[2] > scene.plate[2] + 0.03
    assert scene.opening == 0.08


def test_leads_it_around_what_stands_in_the_way_with_one_finger_before_the_other():
    scene = _PlateScene()
    scene.towers.append(Box(np.array([-0.15, 0.01, 0.0]), np.array([-0.01, 0.04, 0.1])))
    closest = []
    for action in push(scene, PLATE, SPOT):
        scene.execute(action)
        closest.append(np.linalg.norm(scene.plate[:2] - np.clip(scene.plate[:2], [-0.15, 0.01], [-0.01, 0.04])))
    assert scene.is_satisfied(("on", PLATE, SPOT))
    assert min(closest) > 0.045  # the plate's half width is 6 cm; the grid of the plan is coarse
    assert np.ptp(scene.yaws) > 0.3  # pressed anew for the second leg


def test_presses_beside_its_middle_where_the_palm_would_land_on_something():
    free, beside = _PlateScene(), _PlateScene()
    beside.towers.append(Box(np.array([-0.1, -0.23, 0.0]), np.array([0.1, -0.197, 0.15])))
    for scene in (free, beside):
        play(scene, push(scene, PLATE, SPOT))
        assert scene.is_satisfied(("on", PLATE, SPOT))
    assert np.abs(free.presses[0]).max() < 0.008
    assert 0.01 < beside.presses[0][1] < 0.035
    hand = beside.presses[0][1] - 0.1
    assert hand - PANDA_HAND.palm_half_length > -0.197


def test_a_plate_that_does_not_follow_is_reported():
    scene = _PlateScene(is_smooth=True)
    with pytest.raises(SkillFailed, match="plate_1 did not arrive in table_spot"):
        play(scene, push(scene, PLATE, SPOT))


def test_other_things_stay_where_they_are():
    scene = _PlateScene()
    before = scene.pose(BLOCK).position
    play(scene, push(scene, PLATE, SPOT))
    np.testing.assert_array_equal(scene.pose(BLOCK).position, before)
