import numpy as np
import pytest

from eval_bridge.experts.grasp_planning import PANDA_HAND
from eval_bridge.experts.scene import Box
from eval_bridge.experts.skills.drag import drag, find_floor
from eval_bridge.experts.skills.hand import SkillFailed
from tests.eval_bridge.experts.kinematic_scene import BLOCK, KinematicScene
from tests.eval_bridge.experts.skills.play import play

HALF = np.array([0.055, 0.055, 0.025])
WALL = 0.035  # of the inner wall from the middle (metres)
FLOOR = 0.02


class _BowlScene(KinematicScene):
    """A bowl in the block's place, which follows the fingertips that lean on its wall while they touch its floor."""

    def __init__(self, is_stuck: bool = False) -> None:
        super().__init__(plate=(0.3, 0.3))
        self.block[2] = HALF[2]
        self.is_stuck, self.is_slippery = is_stuck, True  # nothing to grip between the fingers
        self.openings: list[float] = []

    def execute(self, action):
        super().execute(action)
        tips = self.hand_position[2] - PANDA_HAND.fingertip
        off = self.hand_position[:2] - self.block[:2]
        distance = float(np.linalg.norm(off))
        if tips < 2 * HALF[2] and distance < HALF[0]:
            self.openings.append(self.opening)
            self.hand_position[2] = max(self.hand_position[2], FLOOR + PANDA_HAND.fingertip)
            if tips < FLOOR + 0.004 and distance > WALL and not self.is_stuck:
                self.block[:2] += off * (1 - WALL / distance)

    def bounding_box(self, name):
        return Box(self.block - HALF, self.block + HALF) if name == BLOCK else super().bounding_box(name)

    def height_map(self, low, high, spacing, target, hide_target=False):
        surface = super().height_map(low, high, spacing, BLOCK if target is None else target, hide_target)
        x, y = surface.x[:, None] - self.block[0], surface.y - self.block[1]
        surface.height[surface.is_target & (np.hypot(x, y) < 0.045)] = FLOOR
        return surface


@pytest.mark.parametrize("place", [(-0.12, 0.06), (0.08, -0.05)])
def test_the_wall_of_a_bowl_follows_closed_fingertips_that_touch_its_floor(place):
    scene = _BowlScene()
    floor = find_floor(scene, BLOCK)
    assert floor == FLOOR
    path = play(scene, drag(scene, BLOCK, floor, np.array(place)))
    np.testing.assert_allclose(scene.block[:2], place, atol=0.025)
    assert max(scene.openings) < 0.01
    assert path[-1][2] > 2 * HALF[2] + PANDA_HAND.fingertip


def test_the_way_there_keeps_above_what_stands_on_it():
    scene = _BowlScene()
    scene.towers = [Box(np.array([-0.14, -0.1, 0.0]), np.array([-0.12, 0.1, 0.15]))]
    for action in drag(scene, BLOCK, FLOOR, np.array([0.06, 0.0])):
        scene.execute(action)
        tips = scene.hand_position - [0.0, 0.0, PANDA_HAND.fingertip]
        assert tips[2] > 0.15 or not -0.14 < tips[0] < -0.12


def test_fingers_find_no_way_into_a_block():
    assert find_floor(KinematicScene(), BLOCK) is None


def test_a_bowl_that_stays_behind_is_reported():
    scene = _BowlScene(is_stuck=True)
    with pytest.raises(SkillFailed, match=r"block_1 was dragged to 0\.10 m beside its place"):
        play(scene, drag(scene, BLOCK, FLOOR, np.array([0.1, 0.0])))
