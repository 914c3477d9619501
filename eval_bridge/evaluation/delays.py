"""How many steps pass while a policy computes: a number, or drawn from a recorded profile of a policy's calls.

Delays are drawn by the evaluation's seed and the episode's place, call after call, as quantiles: whatever the profile,
the same call of the same episode gets the same quantile, so that decoders meet the same luck.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from rsd_jax.actions.conventions import LIBERO
from rsd_jax.atomic_files import write_json
from rsd_jax.registry import to_dataclass

PROFILE_CALLS = 100
"""Calls of the policy that a measured profile holds."""

_OF_DELAYS = 1  # sets these draws apart from others by the same seed and place


@dataclass(frozen=True)
class FixedDelay:
    """So many steps at every call.

    Raises:
        ValueError: on construction, if it is negative.
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"delay={self.steps} must be at least 0: control steps that a call takes")

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it apart: flat, JSON-serialisable."""
        return {"delay": self.steps}

    def draw(self, seed: int, task_index: int, episode: int, calls: int) -> tuple[int, ...]:
        """Steps that the calls of an episode take."""
        return (self.steps,) * calls


@dataclass(frozen=True)
class LatencyProfile:
    """How long calls of a policy took (also a record of an evaluation's log).

    Attributes:
        name: in records. source: of which policy, measured where.
        seconds: of calls, from observation to actions, each as likely as any other.

    Raises:
        ValueError: on construction, if there is no call, or one without a length.
    """

    name: str
    source: str
    seconds: tuple[float, ...]

    kind: ClassVar[str] = "profile"

    def __post_init__(self) -> None:
        if not self.seconds or not all(math.isfinite(each) and each >= 0 for each in self.seconds):
            raise ValueError(
                f"the latency profile {self.name!r} has seconds={list(self.seconds)}; give those of one call at "
                "least, finite and not negative"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it apart: its name, and a digest of what is drawn from."""
        digest = hashlib.sha256(json.dumps(sorted(self.seconds)).encode()).hexdigest()
        return {"delay": self.name, "delay_digest": digest[:16]}

    def draw(self, seed: int, task_index: int, episode: int, calls: int) -> tuple[int, ...]:
        """Steps that the calls of an episode take: the same whenever, wherever and however often it is asked."""
        quantiles = np.random.default_rng([seed, task_index, episode, _OF_DELAYS]).random(calls)
        ordered = sorted(self.seconds)
        return tuple(steps_of(ordered[int(quantile * len(ordered))]) for quantile in quantiles)


@dataclass(frozen=True)
class MeasuredDelay:
    """The profile that an evaluation measures of its own policy before its first episode, and keeps in its log."""

    name: ClassVar[str] = "measured"

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it apart; what was measured stands in the log."""
        return {"delay": self.name}


Delay = FixedDelay | LatencyProfile | MeasuredDelay


def steps_of(seconds: float) -> int:
    """Control steps that a call of so many seconds takes: it is there before the step that begins after them."""
    return math.ceil(round(seconds * LIBERO.control_rate, 9))  # 0.35 s are 7 steps, and not a rounding error more


def read_delay(text: str) -> Delay:
    """The delay that a configuration names: ``measured``, a number of steps, a shipped profile, or ``FILE.json``.

    Raises:
        ValueError: it is none of these, or the file holds no profile.
        OSError: the file cannot be read.
    """
    if text == MeasuredDelay.name:
        return MeasuredDelay()
    if text.removeprefix("-").isdecimal():
        return FixedDelay(int(text))
    if text in shipped_profiles():
        return shipped_profiles()[text]
    if not text.endswith(".json"):
        raise ValueError(
            f"delay={text!r} must be {MeasuredDelay.name}, a number of control steps, a profile that ships with the "
            f"project ({', '.join(shipped_profiles())}), or a file PROFILE.json"
        )
    try:
        return to_dataclass(LatencyProfile, json.loads(Path(text).expanduser().read_bytes()))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"delay={text} holds no latency profile ({error}): write an object with name, source and seconds, a list"
        ) from error


def write_profile(path: Path, profile: LatencyProfile) -> None:
    """Writes a profile as the JSON that `read_delay` reads, whole or not at all; raises `OSError` if it cannot."""
    write_json(path, asdict(profile))


@cache
def shipped_profiles() -> Mapping[str, LatencyProfile]:
    """The profiles that ship with the project, by name."""
    stored = json.loads((files("eval_bridge.evaluation") / "latency_profiles.json").read_text())
    return MappingProxyType({each["name"]: to_dataclass(LatencyProfile, each) for each in stored["profiles"]})
