"""How the steps of an episode and the calls of a policy go together: types.

Time is counted in control steps. An episode asks its execution at every step, in this order: whether to `call` the
policy on what is seen before the step, then to take the `answer` if it did, then for the `move` to make.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from eval_bridge.policies.interface import Promise

HELD = -1
"""In place of a chunk's number: nothing was left to execute, and the robot held still."""


class Call(NamedTuple):
    """A call of the policy.

    Attributes:
        delay: steps that pass while it computes: its chunk is there before the step that is so many later.
        promise: what the policy is told of the last chunk; None where nothing is promised.
    """

    delay: int
    promise: Promise | None = None


class Move(NamedTuple):
    """An action ``float32 [7]`` and the number of the chunk that it is of, counted from 0, or `HELD`."""

    action: NDArray[np.float32]
    source: int


class EpisodeExecution(Protocol):
    """The execution of one episode."""

    def call(self, step: int) -> Call | None:
        """The call to make on the observation of `step`; None for none."""
        ...

    def answer(self, step: int, chunk: NDArray[np.float32]) -> None:
        """Takes the chunk ``[C, 7]`` of the call at `step`, for when its delay has passed."""
        ...

    def move(self, step: int) -> Move:
        """What to do in `step`."""
        ...


class Execution(Protocol):
    """A way of executing chunks: a frozen dataclass, whose fields are its settings.

    Attributes:
        name: in configurations and records.
        lets_time_pass: whether calls take time; else delays mean nothing to it.
        promises: whether calls tell the policy what will have been executed (`Promise`).
    """

    name: ClassVar[str]
    lets_time_pass: ClassVar[bool]
    promises: ClassVar[bool]

    def begin(self, delays: Sequence[int]) -> EpisodeExecution:
        """The execution of an episode whose calls take so many steps, one after the other."""
        ...
