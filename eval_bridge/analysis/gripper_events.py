"""When the gripper closed and opened, and what it closed on."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from eval_bridge.episodes.trace import EpisodeTrace

EMPTY_OPENING = 0.0025
"""Metres between the fingers up to which nothing is between them; the rim of a bowl keeps them 4 mm apart."""

CLOSING_STEPS = 20
"""Steps, a second, after which a closing has an outcome: fingers that meet nothing touch after about 0.7 s."""


class Outcome(StrEnum):
    """What came of an event."""

    OPENED = "opened"
    GRASPED = "grasped something"
    EMPTY = "closed on nothing"
    CUT_SHORT = "cut short"


class GripperEvent(NamedTuple):
    """A change of the gripper's command.

    Attributes:
        step: the first action with the new command.
        outcome: for a closing, whether the fingers met (EMPTY) or something kept them apart within `CLOSING_STEPS`
            (GRASPED); CUT_SHORT if the command changed or the episode ended before either could be told.
        opening: metres between the fingers when the outcome was told.
    """

    step: int
    outcome: Outcome
    opening: float

    @property
    def is_closing(self) -> bool:
        """Whether the command was to close."""
        return self.outcome is not Outcome.OPENED


def find_gripper_events(trace: EpisodeTrace) -> tuple[GripperEvent, ...]:
    """All changes of the gripper's command, in order; episodes start with an open gripper."""
    closes = trace.actions[:, 6] > 0
    steps = np.flatnonzero(np.diff(closes, prepend=False)).tolist()
    ends = [*steps, len(closes)][1:]
    return tuple(_event(trace, step, end, bool(closes[step])) for step, end in zip(steps, ends, strict=True))


def _event(trace: EpisodeTrace, step: int, end: int, closes: bool) -> GripperEvent:
    last = min(step + CLOSING_STEPS, end)
    openings = trace.finger_openings[step + 1 : last + 1]
    if not closes:
        return GripperEvent(step, Outcome.OPENED, float(openings[-1]))
    if openings.min() <= EMPTY_OPENING:
        return GripperEvent(step, Outcome.EMPTY, float(openings.min()))
    outcome = Outcome.GRASPED if last == step + CLOSING_STEPS else Outcome.CUT_SHORT
    return GripperEvent(step, outcome, float(openings[-1]))
