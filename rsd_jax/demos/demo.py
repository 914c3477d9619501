"""A demonstration: one successful episode, step by step."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsd_jax.demos.frames import RENDER_SIZE, STORED_SIZE

ACTION_SIZE = 7
PROPRIO_SIZE = 8


class DemoStart(NamedTuple):
    """How the episode started, before it settled.

    Attributes:
        state: flattened simulator state, ``float64 [S]``.
        fixture_poses: name of a fixture -> position (3) and quaternion (4, w first), ``float64 [7]``; empty for
            demonstrations whose source does not tell them.
        looks: how things look where that was drawn for the episode (JSON values); None as the task has it.
    """

    state: NDArray[np.float64]
    fixture_poses: dict[str, NDArray[np.float64]]
    looks: Mapping[str, Any] | None = None


class DemoFieldError(ValueError):
    """A field of a demonstration breaks a rule.

    Attributes:
        field: name of the field.
        rule: what is wrong with it and what is expected.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class DemoFrames(NamedTuple):
    """What the cameras saw, as rendered (upside-down).

    Attributes:
        agentview: third-person frames, ``uint8 [T, 128, 128, 3]``, or 256 pixels a side.
        wrist: frames of the camera in the hand, likewise.
    """

    agentview: NDArray[np.uint8]
    wrist: NDArray[np.uint8]

    @property
    def size(self) -> int:
        """Pixels a side."""
        return self.agentview.shape[-2]


class DemoSimulation(NamedTuple):
    """What it takes to play an episode again in the simulator.

    Attributes:
        states: flattened simulator states, ``float64 [T, S]``.
        start: how the episode started.
    """

    states: NDArray[np.float64]
    start: DemoStart


@dataclass(frozen=True)
class Demo:
    """One successful episode. Frames, proprioception and states are those before the action of their step.

    Frames may be left out and rendered from the states later; states and start are missing where a source does not
    tell them. Who needs them asks `require_frames` and `require_simulation`.

    Attributes:
        suite: task suite, e.g. ``"libero_spatial"``.
        task: name of the task within the suite.
        instruction: language instruction of the episode.
        actions: executed actions, ``float32 [T, 7]`` in [-1, 1], gripper -1 open / +1 close; replaying them from
            `start` reproduces `states`.
        labels: what a policy should imitate, ``float32 [T, 7]``: the expert's clean action in that state. Equals
            `actions` unless noise was injected.
        proprio: ``float32 [T, 8]``: end-effector position (m), axis-angle (rad), finger positions (m).
        agentview: third-person frames as rendered, ``uint8 [T, 128, 128, 3]``, or 256 pixels a side; None without
            images.
        wrist: frames of the camera in the hand, likewise; there if and only if `agentview` is.
        states: flattened simulator states, ``float64 [T, S]``; None if the source does not tell them.
        start: how the episode started; None if the source does not tell it.
        seed: seed of the episode's random start; -1 if the source does not tell it.
        expert_from: the first step of the expert. A policy acted before, whose mistakes the demonstration corrects:
            what it did is there to be played again, and not to be learned from (`expert_part`). Frames of its steps
            may be black.

    Raises:
        DemoFieldError: on construction, if a field has a wrong shape or type, a value that is not finite, or an action
            outside [-1, 1]; if a name or the instruction is not a text, or is empty; if no step is the expert's.
    """

    suite: str
    task: str
    instruction: str
    actions: NDArray[np.float32]
    labels: NDArray[np.float32]
    proprio: NDArray[np.float32]
    agentview: NDArray[np.uint8] | None
    wrist: NDArray[np.uint8] | None
    states: NDArray[np.float64] | None
    start: DemoStart | None
    seed: int
    expert_from: int = 0

    def __post_init__(self) -> None:
        for field in ("suite", "task", "instruction"):
            check_text(field, getattr(self, field))
        steps = len(self.actions)
        if steps < 1:
            raise DemoFieldError("actions", "is empty; a demonstration has at least one step")
        _check_array("actions", self.actions, np.float32, (steps, ACTION_SIZE))
        _check_array("labels", self.labels, np.float32, (steps, ACTION_SIZE))
        _check_array("proprio", self.proprio, np.float32, (steps, PROPRIO_SIZE))
        self._check_frames()
        self._check_simulation()
        _check_action_range("actions", self.actions)
        _check_action_range("labels", self.labels)
        if not 0 <= self.expert_from < steps:
            raise DemoFieldError("expert_from", f"is {self.expert_from}; expected a step of the {steps}")

    def __len__(self) -> int:
        """Number of steps, T."""
        return len(self.actions)

    @property
    def has_frames(self) -> bool:
        """Whether the cameras' frames are there."""
        return self.agentview is not None

    def expert_part(self) -> "Demo":
        """The expert's steps alone, which all of a demonstration is unless it corrects a policy.

        Of a correction's part nobody can tell how it started: between two steps a simulator holds more than its state.
        """
        if self.expert_from == 0:
            return self
        of_steps = {
            name: array[self.expert_from :]
            for name in ("actions", "labels", "proprio", "agentview", "wrist", "states")
            if (array := getattr(self, name)) is not None
        }
        return replace(self, **of_steps, start=None, expert_from=0)

    def require_frames(self) -> DemoFrames:
        """The cameras' frames.

        Raises:
            DemoFieldError: there are none; names the command that adds them.
        """
        if self.agentview is None or self.wrist is None:
            raise DemoFieldError(
                "agentview, wrist",
                f"{self.suite}/{self.task} (seed {self.seed}) was stored without images; "
                "python -m launch.render adds them",
            )
        return DemoFrames(self.agentview, self.wrist)

    def require_simulation(self) -> DemoSimulation:
        """States and start, from which the episode can be played again.

        Raises:
            DemoFieldError: the source of this demonstration does not tell them.
        """
        if self.states is None or self.start is None:
            missing = "states" if self.states is None else "start"
            raise DemoFieldError(
                missing,
                f"{self.suite}/{self.task} (seed {self.seed}) comes from a source without simulator states, so that "
                "it can be neither replayed nor rendered",
            )
        return DemoSimulation(self.states, self.start)

    def _check_frames(self) -> None:
        if (self.agentview is None) != (self.wrist is None):
            missing = "agentview" if self.agentview is None else "wrist"
            raise DemoFieldError(missing, "is missing; a demonstration has the frames of both cameras or of none")
        is_large = self.agentview is not None and self.agentview.shape[1:2] == (RENDER_SIZE,)
        size = RENDER_SIZE if is_large else STORED_SIZE
        shape = (len(self), size, size, 3)
        for field, frames in (("agentview", self.agentview), ("wrist", self.wrist)):
            if frames is not None:
                _check_array(field, frames, np.uint8, shape)

    def _check_simulation(self) -> None:
        state_size = None
        if self.states is not None:
            state_size = self.states.shape[-1] if self.states.ndim else 0
            _check_array("states", self.states, np.float64, (len(self), state_size))
        if self.start is not None:
            expected = self.start.state.size if state_size is None else state_size
            _check_array("start.state", self.start.state, np.float64, (expected,))
            for name, pose in self.start.fixture_poses.items():
                _check_array(f"start.fixture_poses[{name!r}]", pose, np.float64, (7,))


def check_text(field: str, value: object) -> str:
    """`value`, if it is a text that says something.

    Raises:
        DemoFieldError: it is none (missing, a list, bytes, ...), is empty, or has halves of characters.
    """
    if not isinstance(value, str):
        kind = "missing" if value is None else f"a {type(value).__name__}, {reprlib.repr(value)}"
        raise DemoFieldError(field, f"is {kind}; expected a text that is not empty")
    if not value.strip():
        raise DemoFieldError(field, f"is {value!r}; expected a text that is not empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DemoFieldError(field, f"is {reprlib.repr(value)}, which is no valid Unicode ({error.reason})") from error
    return value


def _check_array(field: str, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        expected = f"{np.dtype(dtype)} {shape}"
        raise DemoFieldError(field, f"is {array.dtype} {array.shape}; expected {expected}")
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        index = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise DemoFieldError(field, f"is {array[index]} at {list(index)}; every value must be finite")


def _check_action_range(field: str, actions: NDArray[np.float32]) -> None:
    outside = np.argwhere(np.abs(actions) > 1.0)
    if len(outside):
        index = tuple(map(int, outside[0]))
        raise DemoFieldError(field, f"is {actions[index]} at {list(index)}; actions must lie in [-1, 1]")
