"""A tiny simulator with LIBERO's interface: a gripper without an arm that must close around a ball.

It takes microseconds a step and a millisecond a frame, so that preflight and tests run whole episodes. A controller
that moves towards the ball and closes there solves it (`towards_ball`), and so can a trained policy: each of the
two frames and the proprioception shows what the others lack.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.observations import Observation
from eval_bridge.simulators.interface import EpisodeStart, Goal, Probe

FRAME_SIZE = 256
MAX_STEPS = 60
INSTRUCTION = "close the gripper around the red ball"

_REACH = 0.3  # metres from the centre, in each direction
_MAX_SPEED = 0.04  # metres per step
_INERTIA = 0.4  # share of the velocity that a step keeps
_MAX_TURN = 0.1  # radians per step
_OPEN, _FINGER_SPEED = 0.04, 0.01  # metres, of one finger
_GRASP_DISTANCE = 0.03  # metres
_PIXELS_PER_METRE = 300.0

_BACKGROUND, _FLOOR = (200, 200, 205), (160, 150, 140)
_BALL, _HAND = (210, 40, 40), (40, 60, 160)

_ROWS, _COLUMNS = np.mgrid[0:FRAME_SIZE, 0:FRAME_SIZE].astype(np.float32)


class _State(NamedTuple):
    """The flattened state, in order."""

    time: NDArray[np.float64]  # [1]
    position: NDArray[np.float64]  # [3]
    velocity: NDArray[np.float64]  # [3]
    rotation: NDArray[np.float64]  # [3]
    finger: NDArray[np.float64]  # [1]
    ball: NDArray[np.float64]  # [3]


_SPLITS = (1, 4, 7, 10, 11)
_STATE_SIZE = 14


class PointMassSimulator:
    """A gripper with inertia and a ball at rest (implements `eval_bridge.simulators.interface.Simulator`)."""

    instruction = INSTRUCTION

    def __init__(self) -> None:
        """Starts at the start of seed 0."""
        self._state = np.zeros(_STATE_SIZE)
        self.begin(self.draw_start(0))

    def draw_start(self, seed: int) -> EpisodeStart:
        """Gripper near the centre and above, open; ball anywhere on the floor within reach."""
        generator = np.random.default_rng(seed)
        position = generator.uniform([-0.05, -0.05, 0.1], [0.05, 0.05, 0.2])
        ball = np.append(generator.uniform(-0.2, 0.2, 2), -0.2)
        return EpisodeStart(np.concatenate([[0.0], position, np.zeros(6), [_OPEN], ball]), {})

    def begin(self, start: EpisodeStart) -> None:
        """Puts the simulator into `start`, where nothing moves and nothing has to settle.

        Raises:
            ValueError: the start is another simulator's.
        """
        if np.shape(start.state) != (_STATE_SIZE,):
            raise ValueError(f"start.state has shape {np.shape(start.state)}; the point mass's has [{_STATE_SIZE}].")
        self._state = np.array(start.state, np.float64)

    def step(self, action: NDArray[np.float32]) -> bool:
        """Executes one action ``[7]``, clipped to [-1, 1]; returns whether the gripper is closed around the ball.

        Raises:
            ValueError: the action has another shape or is not finite.
        """
        executed = np.asarray(action, np.float64)
        if executed.shape != (7,) or not np.isfinite(executed).all():
            raise ValueError(f"action must be 7 finite numbers, got shape {executed.shape}: {executed.tolist()}")
        executed = executed.clip(-1.0, 1.0)
        state = self._view()
        state.time[:] += 0.05
        state.velocity[:] = _INERTIA * state.velocity + (1 - _INERTIA) * _MAX_SPEED * executed[:3]
        state.position[:] = (state.position + state.velocity).clip(-_REACH, _REACH)
        state.rotation[:] = (state.rotation + _MAX_TURN * executed[3:6]).clip(-np.pi, np.pi)
        state.finger[:] = (state.finger - _FINGER_SPEED * np.sign(executed[6])).clip(0.0, _OPEN)
        return self.is_solved()

    def is_solved(self) -> bool:
        """Whether the gripper is closed within `_GRASP_DISTANCE` of the ball."""
        state = self._view()
        return bool(np.linalg.norm(state.position - state.ball) < _GRASP_DISTANCE and state.finger[0] <= 0.0)

    def observe(self) -> Observation:
        """Draws both frames and reads the gripper."""
        return Observation(self.render("agentview"), self.render("wrist"), self.proprio(), self.instruction)

    def proprio(self) -> NDArray[np.float32]:
        """Position, rotation vector, finger positions (the second is the negative of the first), ``[8]``."""
        state = self._view()
        return np.concatenate([state.position, state.rotation, state.finger, -state.finger]).astype(np.float32)

    def render(self, camera: str) -> NDArray[np.uint8]:
        """Draws one frame, ``uint8 [256, 256, 3]``, rotated by 180 degrees as LIBERO's are.

        "agentview" looks along x: sideways is y, upwards is z, and what is nearer is larger. "wrist" looks down from
        the gripper: the ball stands where it is relative to the gripper, and is smaller the farther down it is.

        Raises:
            ValueError: there is no such camera.
        """
        state = self._view()
        if camera == "agentview":
            frame = _empty_frame(floor_row=FRAME_SIZE // 2 + 0.22 * _PIXELS_PER_METRE)
            for point, colour in ((state.ball, _BALL), (state.position, _HAND)):
                _draw_disc(frame, -point[2], point[1], 0.04 + 0.08 * point[0], colour)
        elif camera == "wrist":
            frame = _empty_frame(floor_row=0.0)
            offset = state.ball - state.position
            _draw_disc(frame, -offset[0], offset[1], 0.06 + 0.08 * offset[2], _BALL)
            for side in (-1.0, 1.0):
                _draw_disc(frame, 0.35, side * (0.05 + 2 * state.finger[0]), 0.05, _HAND)
        else:
            raise ValueError(f"camera = {camera!r} does not exist; the cameras are agentview, wrist.")
        return frame[::-1, ::-1].copy()

    @property
    def goal(self) -> Goal:
        """The gripper around the ball."""
        return Goal((("in", "ball", "gripper"),), ("ball",), ())

    def probe(self) -> Probe:
        """Gripper and ball; the rotation vector adds up the rotations commanded."""
        state = self._view()
        return Probe(
            eef_position=state.position.copy(),
            eef_rotation=state.rotation.copy(),
            finger_opening=2 * float(state.finger[0]),
            goal_holds=(self.is_solved(),),
            item_positions=state.ball[None].copy(),
            joint_positions=np.zeros(0),
        )

    def state(self) -> NDArray[np.float64]:
        """The flattened state, ``[14]``."""
        return self._state.copy()

    def restore(self, state: NDArray[np.float64]) -> None:
        """Puts everything into ``state [14]``."""
        self._state = np.array(state, np.float64)

    def close(self) -> None:
        """There is nothing to release."""

    def _view(self) -> _State:
        return _State(*np.split(self._state, _SPLITS))


def towards_ball(simulator: PointMassSimulator) -> NDArray[np.float32]:
    """The action of a controller that moves to the ball and closes when it is there, ``float32 [7]``."""
    state = simulator._view()
    offset = state.ball - state.position - state.velocity
    is_there = np.linalg.norm(offset) < _GRASP_DISTANCE / 2
    motion = (offset / _MAX_SPEED).clip(-1.0, 1.0)
    return np.concatenate([motion, np.zeros(3), [1.0 if is_there else -1.0]]).astype(np.float32)


def _empty_frame(floor_row: float) -> NDArray[np.uint8]:
    return np.where((floor_row <= _ROWS)[..., None], np.array(_FLOOR, np.uint8), np.array(_BACKGROUND, np.uint8))


def _draw_disc(
    frame: NDArray[np.uint8], down: float, right: float, radius: float, colour: tuple[int, int, int]
) -> None:
    """Fills a disc at a place given in metres from the frame's middle."""
    centre = FRAME_SIZE / 2
    rows = _ROWS - (centre + down * _PIXELS_PER_METRE)
    columns = _COLUMNS - (centre + right * _PIXELS_PER_METRE)
    frame[rows**2 + columns**2 <= (max(radius, 0.02) * _PIXELS_PER_METRE) ** 2] = colour
