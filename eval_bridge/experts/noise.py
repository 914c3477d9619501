"""Disturbances of the executed actions, so that demonstrations show how to recover (Laskey et al., DART, 2017)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.motion import GRIPPER_CLOSED, GRIPPER_OPEN
from eval_bridge.setting_ranges import require_not_negative, require_shares

CARRYING = 20
"""Steps after which a closing hand has gripped and lifted what it closed on."""

DROPPING = 8
"""Steps for which a hand that drops something is told to open: its command ramps over as many."""

MISSING = 12
"""Steps for which a hand that misses what it closes on is pulled up: then its fingers have met."""


@dataclass(frozen=True)
class NoiseSettings:
    """Bursts: now and then the arm is pushed in one direction, softly growing and fading, for a few steps.

    And drops: at most once an episode the hand opens while it carries something, so that demonstrations show how to
    pick up what was lost. And misses: when the hand closes for the first time it may be pulled up, so that they show
    that fingers which have met hold nothing, and what is to be done then.

    Attributes:
        burst_probability: that a burst starts at a step outside of one; 0 switches noise off.
        shortest_burst: fewest steps of a burst.
        longest_burst: most steps of a burst.
        translation_std: standard deviation of the peak push, per translation axis, in action units.
        rotation_std: likewise per rotation axis.
        drop_probability: that the hand opens, at a step by which it has been closed for `CARRYING` steps; 0 switches
            drops off.
        miss_probability: that the first closing misses.

    Raises:
        ValueError: on construction, if a value is out of range.
    """

    burst_probability: float = 0.0
    shortest_burst: int = 4
    longest_burst: int = 10
    translation_std: float = 0.4
    rotation_std: float = 0.1
    drop_probability: float = 0.0
    miss_probability: float = 0.0

    def __post_init__(self) -> None:
        require_shares(self, ("burst_probability", "drop_probability", "miss_probability"))
        if not 1 <= self.shortest_burst <= self.longest_burst:
            raise ValueError(
                f"shortest_burst is {self.shortest_burst} and longest_burst {self.longest_burst}; "
                f"1 <= shortest_burst <= longest_burst must hold"
            )
        require_not_negative(self, ("translation_std", "rotation_std"))


class ActionNoise:
    """Disturbs the actions of one episode, in order; the gripper only by drops and misses.

    Args:
        settings: size and frequency of the bursts.
        generator: consumed; the same generator state gives the same disturbances whatever the actions are.
    """

    def __init__(self, settings: NoiseSettings, generator: np.random.Generator) -> None:
        self._settings = settings
        self._generator = generator
        self._pending: list[NDArray[np.float64]] = []
        self._closed_steps = 0
        self._opening_left: int | None = None  # None before the episode's drop
        self._missing_left: int | None = None  # None before the first closing

    def disturb(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the action ``[7]`` to execute instead of the clean one, within [-1, 1]."""
        return self._miss(self._drop(self._push(action)), is_closing=bool(action[6] > 0))

    def _drop(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        self._closed_steps = self._closed_steps + 1 if action[6] > 0 else 0
        may_drop = self._opening_left is None and self._closed_steps >= CARRYING
        # Nothing is drawn where drops are off: seeds keep the bursts that they had before there were drops.
        if may_drop and self._settings.drop_probability:
            self._opening_left = DROPPING if self._generator.random() < self._settings.drop_probability else None
        if not self._opening_left:
            return action
        self._opening_left -= 1
        executed = action.copy()
        executed[6] = GRIPPER_OPEN
        return executed

    def _miss(self, action: NDArray[np.float32], is_closing: bool) -> NDArray[np.float32]:
        # As with drops, nothing is drawn where misses are off.
        if self._missing_left is None and is_closing and self._settings.miss_probability:
            misses = self._generator.random() < self._settings.miss_probability
            self._missing_left = MISSING if misses else 0
        if not self._missing_left:
            return action
        self._missing_left -= 1
        executed = action.copy()
        executed[2], executed[6] = 1.0, GRIPPER_CLOSED
        return executed

    def _push(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self._pending and self._generator.random() < self._settings.burst_probability:
            self._pending = self._burst()
        if not self._pending:
            return action
        executed = action.copy()
        executed[:6] = np.clip(action[:6] + self._pending.pop(0), -1.0, 1.0)
        return executed

    def _burst(self) -> list[NDArray[np.float64]]:
        settings = self._settings
        length = int(self._generator.integers(settings.shortest_burst, settings.longest_burst + 1))
        peak = self._generator.normal(size=6) * np.repeat([settings.translation_std, settings.rotation_std], 3)
        envelope = np.sin(np.pi * (np.arange(length) + 1) / (length + 1))
        return [strength * peak for strength in envelope]
