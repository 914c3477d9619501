import numpy as np
import pytest

from eval_bridge.analysis.chunk_borders import measure_chunk_borders
from tests.eval_bridge.analysis.trace_examples import cut, pick_and_place


def commanded(values, chunk_starts, chunk_length):
    """A trace that commands `values` in its first dimension; chunks hold what was executed of them, then zeros."""
    trace = cut(pick_and_place(), len(values))
    actions = np.zeros((len(values), 7), np.float32)
    actions[:, 0], actions[:, 6] = values, -1
    ends = [*chunk_starts[1:], len(values)]
    chunks = np.zeros((len(chunk_starts), chunk_length, 7), np.float32)
    for chunk, start, end in zip(chunks, chunk_starts, ends, strict=True):
        chunk[: end - start] = actions[start:end]
    return trace._replace(actions=actions, chunks=chunks, chunk_starts=np.array(chunk_starts, np.int32))


def test_by_hand():
    found = measure_chunk_borders(commanded([0.0, 0.1, 0.2, 0.7, 0.8, 0.9], [0, 3], 3))
    assert found.borders == 1
    assert found.border_jump == pytest.approx(0.5)
    assert found.inside_jump == pytest.approx(0.1)
    assert found.jump_ratio == pytest.approx(5.0)
    assert found.jump_by_position == pytest.approx((0.5, 0.1, 0.1))
    assert found.border_bend == pytest.approx(0.4)  # 0.7 where 0.3 would have been straight on
    assert found.inside_bend == pytest.approx(0.0, abs=1e-6)


def test_chunks_executed_whole_have_no_two_plans():
    found = measure_chunk_borders(pick_and_place())
    assert found.disagreement is None
    assert found.overlapping_steps == 0


def test_overlapping_plans_disagree():
    trace = commanded([0.0, 0.1, 0.2, 0.3], [0, 2], 4)
    chunks = trace.chunks.copy()
    chunks[0, 2:, 0] = [0.2, 0.5]  # what the first chunk had planned for steps 2 and 3
    found = measure_chunk_borders(trace._replace(chunks=chunks))
    assert found.overlapping_steps == 2
    assert found.disagreement == pytest.approx((0.0 + 0.2) / 2)


def test_single_chunk_has_no_border():
    found = measure_chunk_borders(commanded([0.0, 0.1], [0], 8))
    assert (found.borders, found.border_jump, found.border_bend, found.jump_ratio) == (0, None, None, None)
    assert found.jump_by_position == pytest.approx((None, 0.1, *[None] * 6))


def test_gripper_switches_are_counted_apart():
    trace = commanded([0.0] * 6, [0, 3], 3)
    actions = trace.actions.copy()
    actions[3:, 6] = 1
    actions[5:, 6] = -1
    found = measure_chunk_borders(trace._replace(actions=actions))
    assert (found.gripper_switches, found.switches_at_borders) == (2, 1)
    assert found.border_jump == 0.0


def test_where_time_passed_a_border_is_where_another_chunk_or_a_held_step_begins():
    # Held for a step; then the first chunk from its second action on, and the second from its third.
    trace = commanded([0.0, 0.1, 0.2, 0.7, 0.8], [0, 2], 4)._replace(sources=np.array([-1, 0, 0, 1, 1], np.int32))
    found = measure_chunk_borders(trace)
    assert found.borders == 2
    assert found.border_jump == pytest.approx((0.1 + 0.5) / 2)
    assert found.inside_jump == pytest.approx(0.1)


def test_chunks_that_lie_further_apart_than_they_are_long_plan_no_step_together():
    trace = commanded([0.0] * 8, [0, 4], 4)
    apart = trace._replace(
        chunk_starts=np.array([0, 6], np.int32), sources=np.array([-1, -1, 0, 0, 0, 0, 0, -1], np.int32)
    )
    assert measure_chunk_borders(apart).overlapping_steps == 0
