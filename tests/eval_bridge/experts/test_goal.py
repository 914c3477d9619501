from itertools import permutations

import pytest

from eval_bridge.experts.goal import Carry, Close, Open, Push, TurnOff, TurnOn, open_goals
from tests.eval_bridge.experts.kinematic_scene import BLOCK, PLATE, KinematicScene

DRAWER, CABINET, MICROWAVE, INSIDE, SPOT = "drawer", "cabinet_1", "microwave_1", "microwave_1_inside", "table_spot"


class _Kitchen(KinematicScene):
    """A drawer, a microwave and a spot on the table; `holding` lists the predicates that hold."""

    def __init__(self, goal, holding=(), movable=(BLOCK,)) -> None:
        super().__init__(goal=goal)
        self.add_region(DRAWER, parent=CABINET, is_articulated=True)
        self.add_region(INSIDE, parent=MICROWAVE)
        self.add_region(SPOT, parent=None)
        self.joints |= {DRAWER, MICROWAVE}
        self.movable = movable
        self._holding = set(holding)

    def is_satisfied(self, predicate):
        return predicate in self._holding


def _kinds(goals) -> list[tuple[type, str]]:
    return [(type(goal), goal[0]) for goal in goals]


def test_a_carrying_goal_is_read_from_the_predicate():
    predicate = ("on", BLOCK, PLATE)
    assert open_goals(KinematicScene(goal=[predicate])) == [Carry(BLOCK, PLATE, predicate)]
    assert open_goals(KinematicScene(goal=[("In", BLOCK, PLATE)])) == [Carry(BLOCK, PLATE, ("In", BLOCK, PLATE))]


def test_a_goal_that_holds_already_is_left_out():
    assert open_goals(_Kitchen([("on", BLOCK, PLATE)], holding=[("on", BLOCK, PLATE)])) == []


def test_parts_are_opened_closed_and_switched():
    goal = [("open", DRAWER), ("close", MICROWAVE), ("turnon", "stove_1"), ("turnoff", "stove_2")]
    assert _kinds(open_goals(_Kitchen(goal))) == [
        (Close, MICROWAVE),  # out of the way first: nothing goes into it
        (Open, DRAWER),
        (TurnOn, "stove_1"),
        (TurnOff, "stove_2"),
    ]


def test_what_takes_something_in_is_closed_last():
    goal = [("close", DRAWER), ("in", BLOCK, DRAWER)]
    assert _kinds(open_goals(_Kitchen(goal, holding=[("open", DRAWER)]))) == [(Carry, BLOCK), (Close, DRAWER)]
    goal = [("close", MICROWAVE), ("in", BLOCK, INSIDE)]
    assert _kinds(open_goals(_Kitchen(goal, holding=[("open", MICROWAVE)]))) == [(Carry, BLOCK), (Close, MICROWAVE)]


def test_what_is_closed_is_opened_before_something_goes_in():
    assert _kinds(open_goals(_Kitchen([("in", BLOCK, DRAWER)]))) == [(Open, DRAWER), (Carry, BLOCK)]
    assert _kinds(open_goals(_Kitchen([("in", BLOCK, INSIDE)]))) == [(Open, MICROWAVE), (Carry, BLOCK)]
    asked = [("in", BLOCK, DRAWER), ("open", DRAWER)]
    assert _kinds(open_goals(_Kitchen(asked))) == [(Open, DRAWER), (Carry, BLOCK)]  # once


def test_nothing_is_opened_to_put_something_on_top():
    assert _kinds(open_goals(_Kitchen([("on", BLOCK, DRAWER)]))) == [(Carry, BLOCK)]


def test_switching_comes_before_carrying():
    assert _kinds(open_goals(_Kitchen([("on", BLOCK, PLATE), ("turnon", "stove_1")]))) == [
        (TurnOn, "stove_1"),
        (Carry, BLOCK),
    ]


def test_items_that_share_a_support_know_their_slot():
    goal = [("on", BLOCK, SPOT), ("on", "block_2", SPOT), ("on", "block_3", PLATE)]
    items = (BLOCK, "block_2", "block_3")
    slots = [(goal.slot, goal.slots) for goal in open_goals(_Kitchen(goal, movable=items))]
    assert slots == [(0, 2), (1, 2), (0, 1)]
    left = open_goals(_Kitchen(goal, holding=[goal[0]], movable=items))
    assert [(goal.slot, goal.slots) for goal in left] == [(1, 2), (0, 1)]  # the same as before the first was done


def test_something_flat_is_pushed_over_the_table_but_carried_elsewhere():
    predicate = ("on", PLATE, SPOT)
    assert open_goals(_Kitchen([predicate], movable=(PLATE,))) == [Push(PLATE, SPOT, predicate)]
    assert _kinds(open_goals(_Kitchen([("on", PLATE, DRAWER)], movable=(PLATE,)))) == [(Carry, PLATE)]
    assert _kinds(open_goals(_Kitchen([("on", BLOCK, SPOT)]))) == [(Carry, BLOCK)]


@pytest.mark.parametrize("predicate", [("melt", "stove_1"), ("open", "drawer", "cabinet"), ("on", BLOCK)])
def test_a_goal_without_a_skill_is_named(predicate):
    with pytest.raises(ValueError, match=rf"{predicate[0]}.*has no skill"):
        open_goals(KinematicScene(goal=[predicate]))


def test_what_cannot_be_carried_is_named():
    with pytest.raises(ValueError, match="'plate_1' cannot be carried"):
        open_goals(KinematicScene(goal=[("on", PLATE, BLOCK)]))


def test_an_order_permutes_what_is_independent_and_nothing_else():
    goal = [("in", BLOCK, DRAWER), ("on", "block_2", PLATE), ("close", DRAWER)]
    kitchen = _Kitchen(goal, movable=(BLOCK, "block_2"))
    for order in permutations(range(3)):
        kinds = _kinds(open_goals(kitchen, order))
        carried = [(Carry, BLOCK), (Carry, "block_2")]
        if order.index(1) < order.index(0):
            carried.reverse()
        assert kinds == [(Open, DRAWER), *carried, (Close, DRAWER)]


def test_an_order_hands_out_the_places_of_a_shared_support():
    goal = [("on", BLOCK, SPOT), ("on", "block_2", SPOT)]
    slots = {goal.item: goal.slot for goal in open_goals(_Kitchen(goal, movable=(BLOCK, "block_2")), (1, 0))}
    assert slots == {"block_2": 0, BLOCK: 1}


def test_an_order_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"order is \(0, 2\); it must hold every number from 0 to 1 once"):
        open_goals(_Kitchen([("on", BLOCK, PLATE), ("turnon", "stove_1")]), (0, 2))
