import numpy as np
import pytest

from eval_bridge.experts.skills.hand import SkillFailed
from eval_bridge.experts.skills.knob import BEYOND, turn_off, turn_on
from tests.eval_bridge.experts.box_scene import FULLY_OPEN, PART, KnobScene
from tests.eval_bridge.experts.skills.play import play


def test_turns_the_knob_well_beyond_on_lets_go_and_rises():
    scene = KnobScene()
    play(scene, turn_on(scene, PART))
    assert 0.5 + BEYOND <= scene.value < 1.2
    assert scene.opening == FULLY_OPEN
    assert scene.hand_position[2] > 0.09


def test_pinches_the_ridge_across():
    scene = KnobScene(value=0.3)
    actions = turn_on(scene, PART)
    while not scene.holds:
        scene.execute(next(actions))
    across = np.array([-np.sin(0.3), np.cos(0.3), 0.0])
    assert abs(scene.hand_rotation[:, 0] @ across) > 0.98


def test_turns_the_knob_off():
    scene = KnobScene(value=0.6)
    play(scene, turn_off(scene, PART))
    assert scene.value < 0.0


def test_a_knob_that_slips_is_reported():
    scene = KnobScene()
    scene.is_slippery = True
    with pytest.raises(SkillFailed, match="was not turned"):
        play(scene, turn_on(scene, PART))
