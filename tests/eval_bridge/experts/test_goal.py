import pytest

from eval_bridge.experts.goal import Carry, open_goals
from tests.eval_bridge.experts.kinematic_scene import BLOCK, PLATE, KinematicScene


def test_a_carrying_goal_is_read_from_the_predicate():
    predicate = ("on", BLOCK, PLATE)
    assert open_goals(KinematicScene(goal=[predicate])) == [Carry(BLOCK, PLATE, predicate)]
    assert open_goals(KinematicScene(goal=[("In", BLOCK, PLATE)])) == [Carry(BLOCK, PLATE, ("In", BLOCK, PLATE))]


def test_a_goal_that_holds_already_is_left_out():
    scene = KinematicScene(block=(0.1, 0.15))
    scene.block[2] = 0.02 + 0.03  # stands on the plate
    assert open_goals(scene) == []


@pytest.mark.parametrize("predicate", [("turnon", "stove_1"), ("open", "drawer", "cabinet")])
def test_a_goal_without_a_skill_is_named(predicate):
    with pytest.raises(ValueError, match=rf"{predicate[0]}.*has no skill"):
        open_goals(KinematicScene(goal=[predicate]))


def test_what_cannot_be_carried_is_named():
    with pytest.raises(ValueError, match="'plate_1' cannot be carried"):
        open_goals(KinematicScene(goal=[("on", PLATE, BLOCK)]))
