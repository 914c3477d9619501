"""What a simulator offers to collection and evaluation: types only."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import Observation


class EpisodeStart(NamedTuple):
    """Everything that determines how an episode starts, so that any worker can begin the same one.

    Attributes:
        state: flattened simulator state (time, positions, velocities), ``float64 [S]``.
        fixture_poses: name of a fixture -> position (3) and quaternion (4, w first) in the model, ``float64 [7]``.
            Fixtures are not part of the state, they live in the compiled model.
        looks: how things look where that was drawn for the episode (JSON values); None as the task has it.
    """

    state: NDArray[np.float64]
    fixture_poses: dict[str, NDArray[np.float64]]
    looks: Mapping[str, Any] | None = None


class DrawnStart(NamedTuple):
    """A start that was drawn, and the layout in which it has the scene.

    Attributes:
        start: the start; None if no draw gave one.
        layout: what was drawn (JSON values); empty where the scene is laid out as the task's own reset does it.
    """

    start: EpisodeStart | None
    layout: dict[str, Any]


class Goal(NamedTuple):
    """What a task asks for.

    Attributes:
        predicates: conditions that must hold together, such as ``(("on", "akita_black_bowl_1", "plate_1"),)``.
        items: movable things that they name, G of them at most, in order.
        joints: things in them that open, close or turn.
    """

    predicates: tuple[tuple[str, ...], ...]
    items: tuple[str, ...]
    joints: tuple[str, ...]


class Probe(NamedTuple):
    """Where everything is that the goal is about: what analyses read, and no policy sees. No frame is rendered for it.

    Attributes:
        eef_position: end effector, metres, ``[3]``. eef_rotation: axis-angle, radians, ``[3]``.
        finger_opening: distance between the fingers, metres.
        goal_holds: by predicate of the goal.
        item_positions: by item of the goal, metres, ``[I, 3]``. joint_positions: by joint, metres or radians, ``[J]``.
    """

    eef_position: NDArray[np.float64]
    eef_rotation: NDArray[np.float64]
    finger_opening: float
    goal_holds: tuple[bool, ...]
    item_positions: NDArray[np.float64]
    joint_positions: NDArray[np.float64]


class Simulator(Protocol):
    """One task in one simulator. Cameras render only when `observe` is called."""

    @property
    def instruction(self) -> str:
        """The language instruction of the task."""
        ...

    @property
    def goal(self) -> Goal:
        """What the task asks for."""
        ...

    def begin(self, start: EpisodeStart) -> None:
        """Puts the simulator into `start`, then lets it settle as the protocol prescribes."""
        ...

    def draw_start(self, seed: int) -> EpisodeStart:
        """Draws a start by the task's own random reset; never one of the evaluation states."""
        ...

    def step(self, action: NDArray[np.float32]) -> bool:
        """Executes one action ``[7]`` (environment convention); returns whether the task is solved."""
        ...

    def observe(self) -> Observation:
        """Renders both cameras and reads the robot."""
        ...

    def proprio(self) -> NDArray[np.float32]:
        """The robot's state alone, without rendering."""
        ...

    def probe(self) -> Probe:
        """Where everything is that the goal is about, after the last step."""
        ...

    def render(self, camera: str) -> NDArray[np.uint8]:
        """One frame of `camera` ("agentview" or "wrist"), ``uint8 [256, 256, 3]`` as rendered."""
        ...

    def close(self) -> None:
        """Releases the renderer. May be called twice."""
        ...
