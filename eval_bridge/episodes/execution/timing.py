"""What time did to an episode: how long calls took, how old its actions were, and when nothing was left to do."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from eval_bridge.episodes.execution.interface import HELD


class EpisodeTiming(NamedTuple):
    """An episode in which time passed while the policy computed.

    Attributes:
        delays: steps that each call took.
        ages: of every executed action, the steps since the observation that it was decided on; None for a step in
            which the robot held still.
        underruns: calls during which nothing was left to execute, for one step or more.
    """

    delays: tuple[int, ...]
    ages: tuple[int | None, ...]
    underruns: int

    @property
    def holds(self) -> int:
        """Steps in which the robot held still."""
        return self.ages.count(None)


def timing_of(
    delays: Sequence[int], call_steps: Sequence[int], sources: Sequence[int], chunk_length: int
) -> EpisodeTiming | None:
    """The timing of an episode; None where it went as it goes when the clock stands still.

    That is where no call took time and every chunk was executed whole: nothing then tells how it was executed.

    Args:
        delays: steps that each call took.
        call_steps: at which each was made.
        sources: by step, number of the call that the action is of, or `HELD`.
        chunk_length: C.
    """
    if not any(delays) and list(sources) == [step // chunk_length for step in range(len(sources))]:
        return None
    ages = tuple(None if source == HELD else step - call_steps[source] for step, source in enumerate(sources))
    last_calls = _last_calls(len(sources), call_steps)
    waited_for = {call for call, source in zip(last_calls, sources, strict=True) if source == HELD}
    return EpisodeTiming(tuple(delays), ages, underruns=len(waited_for))


def whole_chunk_ages(steps: int, call_steps: Sequence[int]) -> tuple[int, ...]:
    """Ages of the actions of an episode without an `EpisodeTiming`, of so many steps, which called at `call_steps`."""
    return tuple(int(step - call_steps[call]) for step, call in enumerate(_last_calls(steps, call_steps)))


def _last_calls(steps: int, call_steps: Sequence[int]) -> list[int]:
    """By step, the number of the last call at it or before."""
    last: list[int] = (np.searchsorted(np.asarray(call_steps), np.arange(steps), side="right") - 1).tolist()
    return last
