"""Actions that change little from one step to the next.

A skill that follows another asks for another direction at once, and when exactly one ends is not to be seen in an
image. A policy that takes it to end one step early or late is then off by the whole jump, and so is a small model that
drafts for a large one (docs/decoding.md). Of a hand that speeds up and brakes over several steps it is off by a small
part of it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WHOLE_RANGE = 2.0
_TRANSLATION, _ROTATION = slice(0, 3), slice(3, 6)


@dataclass(frozen=True)
class MotionLimits:
    """How much the largest component of a translation, or of a rotation, may change from one action to the next.

    Attributes:
        acceleration: when the hand speeds up (action units a step); 2 is the whole range, and no limit.
        braking: when it slows down. Below 0.2 the hand passes its target before it stands.

    Raises:
        ValueError: on construction, if one of them is not in (0, 2].
    """

    acceleration: float = _WHOLE_RANGE
    braking: float = _WHOLE_RANGE

    def __post_init__(self) -> None:
        for name in ("acceleration", "braking"):
            if not 0.0 < getattr(self, name) <= _WHOLE_RANGE:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in (0, 2]: 2 is no limit")


def smooth(
    actions: Iterable[NDArray[np.float32]], limits: MotionLimits, previous: NDArray[np.float32] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yields each of `actions` as far as a hand within `limits` follows it; lazily, one for one.

    Args:
        actions: ``[7]`` each.
        limits: of the hand's motion.
        previous: the action before the first one; None: the hand rests.
    """
    previous = np.zeros(7, np.float32) if previous is None else previous
    for action in actions:
        previous = limit_change(action, previous, limits)
        yield previous


def limit_change(
    action: NDArray[np.float32], previous: NDArray[np.float32], limits: MotionLimits
) -> NDArray[np.float32]:
    """The action ``[7]`` on the way from `previous` to `action` that is as near to `action` as `limits` allow.

    Translation and rotation are limited apart, each change in its direction; the gripper's command is `action`'s.
    """
    limited = action.copy()
    for part in (_TRANSLATION, _ROTATION):
        change = action[part] - previous[part]
        speeds_up = np.abs(action[part]).max() >= np.abs(previous[part]).max()
        largest = limits.acceleration if speeds_up else limits.braking
        if (jump := float(np.abs(change).max())) > largest:
            limited[part] = previous[part] + change * (largest / jump)
    return limited
