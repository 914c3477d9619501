"""When the hand held which item, told from motion alone: a held item moves as the hand does."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.analysis.gripper_events import EMPTY_OPENING
from eval_bridge.episodes.trace import EpisodeTrace

_WINDOW = 6  # Steps, 0.3 s, over which hand and item are compared.
_LEAST_MOTION = 0.006  # Metres in that window: below, whether they move together cannot be told.
_LARGEST_SLIDE = 0.35  # Share of the hand's motion that a held item may slide while the grip settles.
_LARGEST_DRIFT = 0.03  # Metres by which a held item's distance from the hand may change; a turn of the hand keeps it.


class Ending(StrEnum):
    """How a hold ended."""

    RELEASED = "released"
    SLIPPED = "slipped"
    EPISODE_ENDED = "episode ended"


class Hold(NamedTuple):
    """A stretch of an episode during which the hand held an item.

    Attributes:
        item: index of the item. start, end: first observation with it in the hand, and the first without it (or T).
        ending: how it ended.
        distance: metres between where it was taken and where it was left.
    """

    item: int
    start: int
    end: int
    ending: Ending
    distance: float


def find_holds(trace: EpisodeTrace) -> tuple[Hold, ...]:
    """All holds of an episode, in order of their starts.

    A hold starts when an item moves along with a hand that is told to close and whose fingers do not touch; it ends
    when the hand is told to open, the fingers meet, or the item's distance from the hand changes. An item that the
    fingers push while they clasp another one may be taken for held.
    """
    closed = np.concatenate([[False], trace.actions[:, 6] > 0])
    grips = closed & (trace.finger_openings > EMPTY_OPENING)
    holds = [
        hold
        for item in range(len(trace.item_names))
        for hold in _holds_of(item, trace.item_positions[:, item], trace.eef_positions, closed, grips)
    ]
    return tuple(sorted(holds, key=lambda hold: (hold.start, hold.item)))


def _holds_of(
    item: int,
    path: NDArray[np.float32],
    hand: NDArray[np.float32],
    closed: NDArray[np.bool_],
    grips: NDArray[np.bool_],
) -> list[Hold]:
    offset = path - hand
    distance = np.linalg.norm(offset, axis=1)
    holds: list[Hold] = []
    row, last = _WINDOW, len(path) - 1
    while row <= last:
        before = row - _WINDOW
        motion = float(np.linalg.norm(hand[row] - hand[before]))
        slide = float(np.linalg.norm(offset[row] - offset[before]))
        if not grips[before + 1 : row + 1].all() or motion < _LEAST_MOTION or slide > _LARGEST_SLIDE * motion:
            row += 1
            continue
        is_kept = grips[row:] & (np.abs(distance[row:] - distance[row]) <= _LARGEST_DRIFT)
        lost = np.flatnonzero(~is_kept)
        end = row + int(lost[0]) if lost.size else last
        if not lost.size:
            ending = Ending.EPISODE_ENDED
        else:
            ending = Ending.SLIPPED if closed[end] else Ending.RELEASED
        holds.append(Hold(item, before, end, ending, float(np.linalg.norm(path[end] - path[before]))))
        row = end + _WINDOW
    return holds
