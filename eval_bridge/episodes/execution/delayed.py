"""Executions in which time passes: a call on the observation of step s that takes d steps is answered before s + d.

Nothing sleeps. How long calls take is given, and where nothing is left to execute meanwhile the robot holds still: no
motion, and the gripper's last command. ``docs/delay.md`` tells these definitions beside those of others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.execution.interface import HELD, Call, EpisodeExecution, Move
from eval_bridge.policies.interface import Promise
from rsd_jax.actions.conventions import LIBERO


@dataclass(frozen=True)
class Hold:
    """A call when the last chunk is used up; the robot holds still until it is answered (an `Execution`).

    Then the chunk is executed from its first action, however old that is.
    """

    name: ClassVar[str] = "hold"
    lets_time_pass: ClassVar[bool] = True
    promises: ClassVar[bool] = False

    def begin(self, delays: Sequence[int]) -> EpisodeExecution:
        """An episode."""
        return _DelayedEpisode(delays, actions_left=0, drops_past=False, promises=False)


@dataclass(frozen=True)
class Asynchronous:
    """A call while actions are left, one at a time; its chunk replaces what is then left (an `Execution`).

    Action j of a chunk that was decided on at step s belongs to step s + j, so that those of steps that are past by
    then are dropped.

    Attributes:
        actions_left: a call is made when no more than so many actions are left.

    Raises:
        ValueError: on construction, if `actions_left` is negative.
    """

    actions_left: int = 4

    name: ClassVar[str] = "async"
    lets_time_pass: ClassVar[bool] = True
    promises: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.actions_left < 0:
            raise ValueError(f"actions_left={self.actions_left} must be at least 0: actions left when a call is made")

    def begin(self, delays: Sequence[int]) -> EpisodeExecution:
        """An episode."""
        return _DelayedEpisode(delays, self.actions_left, drops_past=True, promises=self.promises)


@dataclass(frozen=True)
class RealTimeChunking(Asynchronous):
    """Likewise, and calls tell the policy what of the last chunk will have been executed, and what else is left of it.

    Real-time chunking (arXiv 2506.07339) is defined for delays of up to `actions_left` steps. Beyond them there is
    nothing to promise, and the missing steps are held, as they are without it (an `Execution`).
    """

    name: ClassVar[str] = "rtc"
    promises: ClassVar[bool] = True


class _Chunk(NamedTuple):
    """A chunk, its number, the step that its first action belongs to, and the step before which it is there."""

    actions: NDArray[np.float32]
    number: int
    first: int
    ready: int

    def left(self, step: int) -> int:
        """Actions from `step` on, if the chunk has begun."""
        return max(self.first + len(self.actions) - step, 0)


_NOTHING = _Chunk(np.zeros((0, 7), np.float32), HELD, first=0, ready=0)


class _DelayedEpisode:
    """One call at a time, and the chunk that is executed meanwhile."""

    def __init__(self, delays: Sequence[int], actions_left: int, drops_past: bool, promises: bool) -> None:
        self._delays, self._actions_left = delays, actions_left
        self._drops_past, self._promises = drops_past, promises
        self._present, self._awaited = _NOTHING, _NOTHING
        self._gripper: float = LIBERO.gripper_open  # as the protocol's settling leaves it

    def call(self, step: int) -> Call | None:
        self._take_over(step)
        left = self._present.left(step)
        if step < self._awaited.ready or left > self._actions_left:
            return None
        delay = self._delays[self._awaited.number + 1]
        if not self._promises or not left:
            return Call(delay)
        fixed = min(delay, left)
        return Call(delay, Promise(passed=step - self._present.first, fixed=fixed, overlapping=left - fixed))

    def answer(self, step: int, chunk: NDArray[np.float32]) -> None:
        number = self._awaited.number + 1
        ready = step + self._delays[number]
        self._awaited = _Chunk(chunk, number, step if self._drops_past else ready, ready)

    def move(self, step: int) -> Move:
        self._take_over(step)
        if not self._present.left(step):
            return Move(np.array([*[0.0] * 6, self._gripper], np.float32), HELD)
        action = self._present.actions[step - self._present.first]
        self._gripper = float(action[-1])
        return Move(action, self._present.number)

    def _take_over(self, step: int) -> None:
        if step >= self._awaited.ready:
            self._present = self._awaited
