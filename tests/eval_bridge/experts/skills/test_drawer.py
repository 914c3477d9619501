import numpy as np
import pytest

from eval_bridge.experts.skills.drawer import close_drawer, open_drawer
from eval_bridge.experts.skills.hand import SkillFailed
from tests.eval_bridge.experts.box_scene import FULLY_OPEN, PART, DrawerScene, box
from tests.eval_bridge.experts.skills.play import play


def test_pulls_the_drawer_open_by_its_handle_and_returns():
    scene = DrawerScene()
    play(scene, open_drawer(scene, PART))
    assert scene.is_satisfied(("open", PART))
    assert scene.opening == FULLY_OPEN
    assert scene.hand_rotation[2, 2] < -0.9  # points down again
    np.testing.assert_allclose(scene.hand_position, [-0.21, 0.0, 0.26], atol=0.09)


def test_the_palm_passes_over_what_stands_before_the_drawer():
    class WithPlate(DrawerScene):
        def boxes(self):
            return [*super().boxes(), box([-0.05, -0.08, 0.0], [0.05, 0.05, 0.1])]

    lying, leaning = DrawerScene(), WithPlate()
    for scene in (lying, leaning):
        actions = open_drawer(scene, PART)
        while not scene.holds:
            scene.execute(next(actions))
    assert lying.hand_rotation[2, 2] > -0.1
    assert leaning.hand_rotation[2, 2] < -0.1


def test_a_handle_that_slips_is_reported_away_from_the_front():
    scene = DrawerScene()
    scene.is_slippery = True
    with pytest.raises(SkillFailed, match="the handle was not gripped"):
        play(scene, open_drawer(scene, PART))
    assert scene.hand_position[1] > scene.handle()[1] + 0.03
    assert scene.opening > 0


def test_pushes_the_drawer_shut_and_leaves():
    scene = DrawerScene(value=-0.15)
    play(scene, close_drawer(scene, PART))
    assert scene.is_satisfied(("close", PART))
    assert scene.hand_position[2] > scene.handle()[2] + 0.03


def test_a_drawer_that_does_not_close_is_reported():
    scene = DrawerScene(value=-0.15)
    scene.is_slippery = True
    with pytest.raises(SkillFailed, match="is not closed"):
        play(scene, close_drawer(scene, PART))


def test_the_side_of_the_handle_is_outwards_whichever_way_the_axis_points():
    class Mirrored(DrawerScene):
        def joint(self, name):
            joint = super().joint(name)
            return joint._replace(axis=-joint.axis)

    scene = Mirrored()
    play(scene, open_drawer(scene, PART))
    assert scene.is_satisfied(("open", PART))
    np.testing.assert_allclose(scene.value, -0.14, atol=0.03)
