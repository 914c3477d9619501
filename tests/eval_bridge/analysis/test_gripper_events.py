import numpy as np
import pytest

from eval_bridge.analysis.gripper_events import Outcome, find_gripper_events
from tests.eval_bridge.analysis.trace_examples import CLOSES, OPENS, cut, missed, pick_and_place


def outcomes(trace):
    return [(event.step, event.outcome) for event in find_gripper_events(trace)]


def test_grasp_and_release():
    events = find_gripper_events(pick_and_place())
    assert outcomes(pick_and_place()) == [(CLOSES, Outcome.GRASPED), (OPENS, Outcome.OPENED)]
    assert [event.is_closing for event in events] == [True, False]
    assert events[0].opening == pytest.approx(0.02)
    assert events[1].opening == pytest.approx(0.08)


def test_fingers_that_meet_closed_on_nothing():
    assert outcomes(missed())[0] == (CLOSES, Outcome.EMPTY)


def test_item_lost_later_was_still_grasped():
    trace = pick_and_place()
    fingers = trace.finger_openings.copy()
    fingers[45:50] = 0.0
    assert outcomes(trace._replace(finger_openings=fingers))[0] == (CLOSES, Outcome.GRASPED)


def test_closing_without_time_is_cut_short():
    assert outcomes(cut(pick_and_place(), CLOSES + 5)) == [(CLOSES, Outcome.CUT_SHORT)]


def test_episodes_start_open():
    trace = pick_and_place()
    always = np.ones_like(trace.actions)
    assert outcomes(trace._replace(actions=always))[0][0] == 0
    assert outcomes(trace._replace(actions=-always)) == []
