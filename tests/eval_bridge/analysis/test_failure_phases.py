import numpy as np
import pytest

from eval_bridge.analysis.episode import analyse
from eval_bridge.analysis.failure_phases import Phase
from tests.eval_bridge.analysis.trace_examples import PLATE, cut, drawer, missed, pick_and_place, slipped, with_bowl


def failure(trace):
    return analyse(trace, success=False).failure


def fallen():
    """Let go in the air: the bowl ends 18 cm lower than one row after the release."""
    trace = pick_and_place()
    path = trace.item_positions[:, 0].copy()
    path[54:] = path[50] - [0, 0, 0.2]
    return with_bowl(trace, path)


@pytest.mark.parametrize(
    ("trace", "phase", "reason"),
    [
        (missed(), Phase.NO_GRASP, "bowl_1 was never held: nearest 0 cm, closings: 1, on nothing: 1"),
        (cut(pick_and_place(), 15), Phase.NO_GRASP, "the gripper never closed"),
        (slipped(), Phase.DROPPED, "slipped at step"),
        (fallen(), Phase.DROPPED, "let go at step 51 and fell 18 cm"),
        (pick_and_place(), Phase.MISPLACED, "let go at step 51, 0 cm from the middle of plate_1"),
        (cut(pick_and_place(), 45), Phase.TIMED_OUT, "still in the hand"),
        (drawer(np.zeros(61)), Phase.NOT_REACHED, "cabinet_1_top_region did not move"),
        (drawer(np.minimum(np.arange(61) / 500, 0.05)), Phase.NOT_ENOUGH, "moved by 0.05"),
        (drawer(np.arange(61) / 500), Phase.TIMED_OUT, "still moving"),
    ],
)
def test_phase_and_reason(trace, phase, reason):
    found = failure(trace)
    assert found.phase is phase
    assert reason in found.reason


def test_pushed_without_a_grasp_is_told():
    trace = missed()
    path = np.linspace(trace.item_positions[0, 0], PLATE, 61)
    assert "pushed 24 cm" in failure(with_bowl(trace, path)).reason


def test_condition_that_held_once_was_lost():
    trace = pick_and_place()
    holds = trace.goal_holds.copy()
    holds[52:55] = True
    found = failure(trace._replace(goal_holds=holds))
    assert (found.phase, found.reason) == (Phase.LOST, "(on bowl_1 plate_1) held last at step 54")


def two_goals(first_holds):
    """The drawer of `drawer` never moves, and the bowl is misplaced."""
    trace = drawer(np.zeros(61))
    holds = np.zeros((61, 2), bool)
    holds[30:, 0] = first_holds
    return trace._replace(goal=(*trace.goal, ("on", "bowl_1", "plate_1")), goal_holds=holds)


def test_goal_that_got_furthest_counts():
    analysis = analyse(two_goals(first_holds=False), success=False)
    assert [found.phase for found in analysis.failures] == [Phase.NOT_REACHED, Phase.MISPLACED]
    assert analysis.failure.phase is Phase.MISPLACED


def test_goals_that_hold_at_the_end_did_not_fail():
    assert [found.phase for found in analyse(two_goals(first_holds=True), False).failures] == [Phase.MISPLACED]


def test_thing_that_the_trace_lacks():
    trace = pick_and_place()._replace(goal=(("on", "cup_1", "plate_1"),))
    assert failure(trace) == ((("on", "cup_1", "plate_1")), Phase.UNKNOWN, "(on cup_1 plate_1) never held")


def test_success_has_no_failure():
    analysis = analyse(pick_and_place(), success=True)
    assert (analysis.failures, analysis.failure) == ((), None)


def test_failure_that_the_trace_does_not_explain():
    trace = pick_and_place()
    assert failure(trace._replace(goal_holds=~trace.goal_holds)).phase is Phase.UNKNOWN
