"""The clock stands still while the policy computes, and chunks are executed whole: OpenVLA-OFT's protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from eval_bridge.episodes.execution.interface import HELD, Call, EpisodeExecution, Move


@dataclass(frozen=True)
class Blocking:
    """A call when the last chunk is used up, whose answer is there at once (an `Execution`)."""

    name: ClassVar[str] = "blocking"
    lets_time_pass: ClassVar[bool] = False
    promises: ClassVar[bool] = False

    def begin(self, delays: Sequence[int]) -> EpisodeExecution:
        """An episode; no delay is asked for."""
        return _BlockingEpisode()


BLOCKING = Blocking()


class _BlockingEpisode:
    def __init__(self) -> None:
        self._chunk: NDArray[np.float32] = np.zeros((0, 7), np.float32)
        self._first, self._number = 0, HELD

    def call(self, step: int) -> Call | None:
        return Call(delay=0) if step - self._first == len(self._chunk) else None

    def answer(self, step: int, chunk: NDArray[np.float32]) -> None:
        self._chunk, self._first, self._number = chunk, step, self._number + 1

    def move(self, step: int) -> Move:
        return Move(self._chunk[step - self._first], self._number)
