import numpy as np
import pytest

from eval_bridge.experts.skills.door import close_door
from eval_bridge.experts.skills.hand import SkillFailed
from tests.eval_bridge.experts.box_scene import PART, DoorScene
from tests.eval_bridge.experts.skills.play import play


@pytest.mark.parametrize("value", [-2.0, -1.3, -0.4])
def test_swings_the_door_shut(value):
    scene = DoorScene(value)
    path = play(scene, close_door(scene, PART))
    assert scene.is_satisfied(("close", PART))
    assert path[-1][1] < scene.hinge[1]


def test_passes_over_the_door_to_its_outer_face():
    scene = DoorScene(-1.6)
    scene.hand_position = np.array([0.0, 0.1, 0.1])  # on the inner side
    path = play(scene, close_door(scene, PART))
    outside = next(step for step, point in enumerate(path) if point[0] < -0.2)
    assert min(point[2] for point in path[:outside] if point[0] < -0.1) > 0.2
    assert scene.is_satisfied(("close", PART))


def test_a_door_that_is_stuck_is_reported():
    scene = DoorScene()
    scene.is_stuck = True
    with pytest.raises(SkillFailed, match="is not closed"):
        play(scene, close_door(scene, PART))
