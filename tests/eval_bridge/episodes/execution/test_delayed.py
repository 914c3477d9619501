"""Executions by hand: action j of the chunk decided on at step s is written 100 s + j, a held step as "hold"."""

import numpy as np
import pytest

from eval_bridge.episodes.execution.blocking import BLOCKING
from eval_bridge.episodes.execution.delayed import Asynchronous, Hold, RealTimeChunking
from eval_bridge.episodes.execution.interface import HELD
from eval_bridge.policies.interface import Promise

CHUNK = 8


def chunk_of(step, gripper=1.0):
    chunk = np.zeros((CHUNK, 7), np.float32)
    chunk[:, 0], chunk[:, -1] = 100 * step + np.arange(CHUNK), gripper
    return chunk


def execute(execution, delays, steps):
    """Calls as (step, delay, promise), and what each step did."""
    episode = execution.begin(delays)
    calls, moves = [], []
    for step in range(steps):
        call = episode.call(step)
        if call is not None:
            calls.append((step, *call))
            episode.answer(step, chunk_of(step))
        move = episode.move(step)
        moves.append("hold" if move.source == HELD else int(move.action[0]))
        if move.source != HELD:
            assert calls[move.source][0] == int(move.action[0]) // 100
    return calls, moves


def test_blocking_executes_chunks_whole():
    calls, moves = execute(BLOCKING, (), 20)
    assert calls == [(0, 0, None), (8, 0, None), (16, 0, None)]
    assert moves == [*range(8), *range(800, 808), *range(1600, 1604)]


@pytest.mark.parametrize("execution", [Hold(), Asynchronous(actions_left=0)])
def test_without_delay_and_asked_late_nothing_differs_from_blocking(execution):
    assert execute(execution, (0,) * 9, 30) == execute(BLOCKING, (), 30)


def test_hold_waits_and_then_executes_from_the_first_action():
    calls, moves = execute(Hold(), (3, 1, 0), 22)
    assert calls == [(0, 3, None), (11, 1, None), (20, 0, None)]
    assert moves == [*["hold"] * 3, *range(8), "hold", *range(1100, 1108), 2000, 2001]


def test_asynchronous_drops_what_is_past_and_replaces_what_is_left():
    calls, moves = execute(Asynchronous(), (3, 3, 3, 3), 14)
    # With 4 actions left, at step 4, it asks; the answer is there before step 7, of which it has action 3.
    assert calls == [(0, 3, None), (4, 3, None), (8, 3, None), (12, 3, None)]
    assert moves == [*["hold"] * 3, 3, 4, 5, 6, 403, 404, 405, 406, 803, 804, 805]


def test_a_call_at_the_last_moment_leaves_no_gap_and_one_more_step_does():
    _, moves = execute(Asynchronous(), (0, 4, 0), 8)
    assert moves == [0, 1, 2, 3, 4, 5, 6, 7]
    assert execute(Asynchronous(), (0, 4, 3), 9)[1][8] == 404
    calls, moves = execute(Asynchronous(), (0, 5, 0), 11)
    assert moves == [0, 1, 2, 3, 4, 5, 6, 7, "hold", 900, 901]
    assert [call[0] for call in calls] == [0, 4, 9]  # 3 actions were left when the answer came: it asks at once


def test_a_chunk_that_is_there_when_all_its_steps_are_past_is_never_executed():
    calls, moves = execute(Asynchronous(), (8,) * 9, 40)
    assert moves == ["hold"] * 40
    assert [call[0] for call in calls] == [0, 8, 16, 24, 32]


def test_one_call_at_a_time():
    calls, _ = execute(Asynchronous(), (0, 6, 6, 6), 20)
    assert [call[0] for call in calls] == [0, 4, 10, 16]


@pytest.mark.parametrize(
    ("delay", "promise"),
    [
        (0, Promise(4, 0, 4)),
        (3, Promise(4, 3, 1)),
        (4, Promise(4, 4, 0)),
        (8, Promise(4, 4, 0)),  # beyond what is left there is nothing to promise
    ],
)
def test_what_is_promised_is_executed_whatever_the_answer(delay, promise):
    calls, moves = execute(RealTimeChunking(), (0, delay), 8)
    assert calls[1] == (4, delay, promise)
    assert moves[: 4 + promise.fixed] == list(range(4 + promise.fixed))
    assert execute(Asynchronous(), (0, delay), 8)[1] == moves


def test_an_episodes_first_call_and_one_that_finds_nothing_left_promise_nothing():
    calls, _ = execute(RealTimeChunking(), (8, 8, 0), 17)
    assert [promise for _, _, promise in calls] == [None, None, None]


def test_a_held_step_does_not_move_and_leaves_the_gripper_as_it_was_last_told():
    episode = Hold().begin((1, 1))
    episode.call(0)
    episode.answer(0, chunk_of(0, gripper=0.75))
    before = episode.move(0)
    for step in range(1, 9):
        episode.call(step)
        episode.move(step)
    episode.call(9)
    episode.answer(9, chunk_of(9, gripper=-1.0))
    after = episode.move(9)
    assert before.action.tolist() == [0, 0, 0, 0, 0, 0, -1]  # open, as settling leaves it
    assert after.action.tolist() == [0, 0, 0, 0, 0, 0, 0.75]
    assert before.action.dtype == after.action.dtype == np.float32


def test_a_number_of_actions_that_cannot_be_left_is_refused():
    with pytest.raises(ValueError, match="actions_left=-1 must be at least 0"):
        Asynchronous(actions_left=-1)
