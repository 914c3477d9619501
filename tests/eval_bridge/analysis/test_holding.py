import numpy as np
import pytest

from eval_bridge.analysis.holding import Ending, find_holds
from tests.eval_bridge.analysis.trace_examples import LIFTS, OPENS, cut, missed, pick_and_place, slipped, with_bowl


def test_held_from_the_lift_to_the_release():
    (hold,) = find_holds(pick_and_place())
    assert hold.item == 0
    assert LIFTS - 6 <= hold.start <= LIFTS + 1
    assert (hold.end, hold.ending) == (OPENS + 1, Ending.RELEASED)
    assert hold.distance == pytest.approx(np.hypot(0.24, 0.2), abs=0.03)


def test_slipped_while_closed():
    (hold,) = find_holds(slipped())
    assert hold.ending is Ending.SLIPPED
    assert 40 <= hold.end <= 43


def test_still_held_at_the_end():
    (hold,) = find_holds(cut(pick_and_place(), 45))
    assert (hold.end, hold.ending) == (45, Ending.EPISODE_ENDED)


def test_nothing_is_held_by_fingers_that_meet():
    assert find_holds(missed()) == ()
    trace = pick_and_place()
    assert find_holds(trace._replace(finger_openings=np.zeros_like(trace.finger_openings))) == ()


def test_item_that_stays_is_not_held():
    trace = pick_and_place()
    assert find_holds(with_bowl(trace, trace.item_positions[0, 0])) == ()


def test_turning_hand_keeps_what_it_holds():
    """The bowl swings around the hand: the offset changes its direction, the distance stays."""
    trace = pick_and_place()
    angle = np.interp(np.arange(61), [40, 50], [0, np.pi / 2])
    offset = 0.06 * np.stack([np.sin(angle), np.zeros(61), -np.cos(angle)], axis=1)
    path = np.where(
        np.arange(61)[:, None] < LIFTS, trace.eef_positions[LIFTS] + offset[0], trace.eef_positions + offset
    )
    (hold,) = find_holds(with_bowl(trace, path))
    assert hold.end == OPENS + 1


def test_two_holds_of_one_item():
    trace = slipped()
    path = trace.item_positions[:, 0].copy()
    path[44:] = trace.eef_positions[44:]
    holds = find_holds(with_bowl(trace, path))
    assert [hold.ending for hold in holds] == [Ending.SLIPPED, Ending.RELEASED]


def test_fingers_that_meet_have_lost_it():
    trace = pick_and_place()
    fingers = trace.finger_openings.copy()
    fingers[40:OPENS] = 0.0
    (hold,) = find_holds(trace._replace(finger_openings=fingers))
    assert (hold.end, hold.ending) == (40, Ending.SLIPPED)
