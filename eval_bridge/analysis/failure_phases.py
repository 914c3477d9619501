"""In which phase of its task an episode failed, told from its trace: a rule-based label and a reason for each goal.

The labels say what was seen, not why: "no grasp" may be a hand that never came near or one that closed beside the
item. They are as good as their thresholds; the video decides.
"""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from eval_bridge.analysis.gripper_events import GripperEvent, Outcome
from eval_bridge.analysis.holding import Ending, Hold
from eval_bridge.episodes.trace import EpisodeTrace

_FALL = 0.05  # Metres that a released item falls if it was let go in the air.
_FALL_STEPS = 20
_LEAST_TURN = 0.02  # Metres or radians: below, a joint was at most shaken.
_STILL_TURNING = 0.005  # In the last quarter of a second.
_LAST_STEPS = 5


class Phase(StrEnum):
    """Where a task stopped, in the order in which a task gets there."""

    UNKNOWN = "not solved"
    NOT_REACHED = "not reached"
    NO_GRASP = "no grasp"
    NOT_ENOUGH = "moved, not enough"
    DROPPED = "dropped"
    MISPLACED = "misplaced"
    TIMED_OUT = "timed out under way"
    LOST = "reached and lost again"


class GoalFailure(NamedTuple):
    """A condition of the goal that did not hold at the end, and a line about it."""

    predicate: tuple[str, ...]
    phase: Phase
    reason: str


def classify_failures(
    trace: EpisodeTrace, events: tuple[GripperEvent, ...], holds: tuple[Hold, ...]
) -> tuple[GoalFailure, ...]:
    """What became of every goal of a failed episode that does not hold at its end, in the goal's order.

    Args:
        trace: of the episode.
        events: its `eval_bridge.analysis.gripper_events.find_gripper_events`.
        holds: its `eval_bridge.analysis.holding.find_holds`.
    """
    failed = [index for index in range(len(trace.goal)) if not trace.goal_holds[-1, index]]
    return tuple(_classify(trace, index, events, holds) for index in failed)


def furthest(failures: tuple[GoalFailure, ...]) -> GoalFailure | None:
    """The failed goal that got furthest; None without failures.

    Goals are worked on one after the other: it is the one that was being worked on, and those behind it, never
    begun, are its consequence.
    """
    order = list(Phase)
    return max(failures, key=lambda failure: order.index(failure.phase), default=None)


def _classify(
    trace: EpisodeTrace, index: int, events: tuple[GripperEvent, ...], holds: tuple[Hold, ...]
) -> GoalFailure:
    predicate = trace.goal[index]
    held = np.flatnonzero(trace.goal_holds[:, index])
    thing = predicate[1] if len(predicate) > 1 else ""
    if held.size:
        phase, reason = Phase.LOST, f"({' '.join(predicate)}) held last at step {held[-1]}"
    elif thing in trace.joint_names:
        phase, reason = _turning(trace, trace.joint_names.index(thing))
    elif thing in trace.item_names:
        item = trace.item_names.index(thing)
        phase, reason = _carrying(trace, item, predicate, events, [hold for hold in holds if hold.item == item])
    else:
        phase, reason = Phase.UNKNOWN, f"({' '.join(predicate)}) never held"
    return GoalFailure(predicate, phase, reason)


def _turning(trace: EpisodeTrace, joint: int) -> tuple[Phase, str]:
    """Something to open, close or turn."""
    name, positions = trace.joint_names[joint], trace.joint_positions
    turns = np.abs(positions[:, joint] - positions[0, joint])
    if turns.max() < _LEAST_TURN:
        return Phase.NOT_REACHED, f"{name} did not move"
    if np.ptp(positions[-_LAST_STEPS:, joint]) > _STILL_TURNING:
        return Phase.TIMED_OUT, f"{name} was still moving, {turns[-1]:.2f} from its start"
    return Phase.NOT_ENOUGH, f"{name} moved by {turns.max():.2f} and ended {turns[-1]:.2f} from its start"


def _carrying(
    trace: EpisodeTrace,
    item: int,
    predicate: tuple[str, ...],
    events: tuple[GripperEvent, ...],
    holds: list[Hold],
) -> tuple[Phase, str]:
    """Something to carry."""
    name, path = trace.item_names[item], trace.item_positions[:, item]
    if not holds:
        return Phase.NO_GRASP, _missed(trace, item, events)
    last = holds[-1]
    carried = f"{name} was carried {_centimetres(last.distance)}"
    if last.ending is Ending.EPISODE_ENDED:
        return Phase.TIMED_OUT, f"{carried} and was still in the hand"
    if last.ending is Ending.SLIPPED:
        return Phase.DROPPED, f"{carried} and slipped at step {last.end}"
    fall = float(path[last.end, 2] - path[last.end : last.end + _FALL_STEPS + 1, 2].min())
    if fall > _FALL:
        return Phase.DROPPED, f"{carried}, let go at step {last.end} and fell {_centimetres(fall)}"
    return Phase.MISPLACED, f"{carried} and let go at step {last.end}{_beside(trace, item, predicate)}"


def _missed(trace: EpisodeTrace, item: int, events: tuple[GripperEvent, ...]) -> str:
    path = trace.item_positions[:, item]
    nearest = float(np.linalg.norm(path - trace.eef_positions, axis=1).min())
    closings = [event for event in events if event.is_closing]
    empty = sum(event.outcome is Outcome.EMPTY for event in closings)
    closed = f"closings: {len(closings)}, on nothing: {empty}" if closings else "the gripper never closed"
    pushed = float(np.linalg.norm(path[-1] - path[0]))
    moved = f", pushed {_centimetres(pushed)}" if pushed > _LEAST_TURN else ""
    return f"{trace.item_names[item]} was never held: nearest {_centimetres(nearest)}, {closed}{moved}"


def _beside(trace: EpisodeTrace, item: int, predicate: tuple[str, ...]) -> str:
    """How far it ended from where it belongs, where the trace has both places."""
    if len(predicate) < 3 or predicate[2] not in trace.item_names:
        return ""
    support = trace.item_positions[-1, trace.item_names.index(predicate[2])]
    gap = float(np.linalg.norm((trace.item_positions[-1, item] - support)[:2]))
    return f", {_centimetres(gap)} from the middle of {predicate[2]}"


def _centimetres(metres: float) -> str:
    return f"{100 * metres:.0f} cm"
