import numpy as np
import pytest

from eval_bridge.experts.cavity import find_cavity
from eval_bridge.experts.skills.hand import SkillFailed
from eval_bridge.experts.skills.insert import insert
from tests.eval_bridge.experts.box_scene import ITEM, ROOM, CavityScene
from tests.eval_bridge.experts.skills.play import play


def test_puts_the_item_through_the_mouth_and_comes_out():
    scene = CavityScene()
    play(scene, insert(scene, ITEM, find_cavity(scene, ROOM, ITEM)))
    low, high = scene.bounding_box(ITEM)
    assert low[1] > scene.mouth
    assert high[1] < scene.back
    assert scene.item[2] == pytest.approx(scene.floor)
    assert scene.hand_position[1] < scene.mouth - 0.03


def test_the_palm_stays_outside():
    scene = CavityScene()
    deepest = -1.0
    for action in insert(scene, ITEM, find_cavity(scene, ROOM, ITEM)):
        scene.execute(action)
        palm = scene.hand_position - 0.026 * scene.hand_rotation[:, 2]
        if scene.hand_position[2] < 0.19:
            deepest = max(deepest, palm[1])
    assert deepest < scene.mouth


def test_an_item_that_slips_is_reported():
    scene = CavityScene()
    scene.is_slippery = True
    with pytest.raises(SkillFailed, match="was not lifted"):
        play(scene, insert(scene, ITEM, find_cavity(scene, ROOM, ITEM)))


def test_an_item_that_stands_in_the_mouth_does_not_hide_the_cavity():
    scene = CavityScene()
    scene.item = np.array([0.0, 0.27, scene.floor])
    assert find_cavity(scene, ROOM, ITEM) is not None
