"""From a pose the hand should reach to the action that moves it there: proportional control with a speed limit.

The controller of the simulator (OSC_POSE) takes a displacement per control step: one unit of a translation is 5 cm,
one unit of a rotation 0.5 rad. The action is a function of the current pose alone, so that a policy can imitate it,
and its direction is never bent by clipping: the whole vector is scaled down until its largest component is within the
limit. What is recorded may change less from step to step than that (`eval_bridge.experts.smooth_motion`): it then
depends on the action before it too.
"""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.scene import Pose, Rotation, Vector

GRIPPER_OPEN = -1.0
GRIPPER_CLOSED = 1.0

METRES_PER_UNIT = 0.05
RADIANS_PER_UNIT = 0.5
GAIN = 1.0  # higher, the hand brakes within fewer steps before it arrives; 2 overshoots by about a centimetre
HOLDING_GAIN = 5.0  # of a hand that stays where it is: with `GAIN` a stretched arm sags by about a centimetre
LARGEST_ROTATION_ACTION = 0.6
MIDDLE_YAW = 0.39  # of a hand that points down, far from both limits of the last joint (radians)

# Columns: opening axis, its partner, approach axis. The hand points down and opens along the world's y axis.
HAND_DOWN: Rotation = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


def turn_about_vertical(angle: float) -> Rotation:
    """Rotation ``[3, 3]`` by `angle` (radians) about the world's z axis."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def hand_down(yaw: float) -> Rotation:
    """Rotation ``[3, 3]`` of a hand that points down, its opening axis `yaw` radians from the world's y axis."""
    return turn_about_vertical(yaw) @ HAND_DOWN


def yaw_of(hand: Rotation) -> float:
    """The `yaw` of a hand that points about down (radians, in (-pi, pi])."""
    return float(np.arctan2(-hand[0, 0], hand[1, 0]))


def hand_along(approach: Vector, opening: Vector) -> Rotation:
    """Rotation ``[3, 3]`` of a hand whose fingers point along `approach` and open along `opening` (both ``[3]``).

    `opening` is straightened to be perpendicular to `approach`. The hand is symmetric: of the two rotations that do,
    the one nearer to `MIDDLE_YAW` is taken, which keeps the last joint away from its limits.
    """
    forward = approach / np.linalg.norm(approach)
    sideways = opening - (opening @ forward) * forward
    sideways = sideways / np.linalg.norm(sideways)
    rotation = np.column_stack([sideways, np.cross(forward, sideways), forward])
    likeness = np.trace(hand_down(MIDDLE_YAW).T @ rotation)
    turned = rotation * np.array([-1.0, -1.0, 1.0])
    return turned if np.trace(hand_down(MIDDLE_YAW).T @ turned) > likeness else rotation


def rotation_vector(rotation: Rotation) -> Vector:
    """Axis times angle (radians, angle in [0, pi]) of a rotation matrix ``[3, 3]``.

    At an angle of pi the axis is only defined up to its sign; one of the two is returned.
    """
    skew = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    angle = float(np.arctan2(np.linalg.norm(skew), np.trace(rotation) - 1.0))
    if angle < 1e-9:
        return np.zeros(3)
    if np.pi - angle < 1e-4:  # the skew part vanishes: the axis is in the symmetric part, R = 2 a a^T - I
        column = int(np.argmax(np.diag(rotation)))
        axis = (rotation + np.eye(3))[:, column]
    else:
        axis = skew
    return angle * axis / np.linalg.norm(axis)


def rotation_error(hand: Pose, target: Rotation) -> Vector:
    """Rotation vector (radians, world frame) that turns the hand into `target`."""
    return rotation_vector(target @ hand.rotation.T)


def limit_speed(action: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    """The action ``[7]``, its translation shortened until no component is larger than `speed` (action units).

    The direction stays, and so does everything slower: a hand that is limited arrives as one that is not.
    """
    fast = float(np.abs(action[:3]).max())
    if fast <= speed:
        return action
    limited = action.copy()
    limited[:3] *= speed / fast
    return limited


def action_towards(
    hand: Pose, target: Pose, gripper: float, speed: float = 1.0, gain: float = GAIN
) -> NDArray[np.float32]:
    """The action ``[7]`` that moves the hand towards `target`.

    Args:
        hand: where the hand is.
        target: where it should be.
        gripper: gripper command, `GRIPPER_OPEN` or `GRIPPER_CLOSED`.
        speed: largest component of the translation, in action units (1 is the controller's limit).
        gain: translation commanded for a displacement as large.
    """
    translation = gain * (target.position - hand.position) / METRES_PER_UNIT
    rotation = GAIN * rotation_error(hand, target.rotation) / RADIANS_PER_UNIT
    fast, turn = float(np.abs(translation).max()), float(np.linalg.norm(rotation))
    translation *= speed / max(fast, speed)
    rotation *= LARGEST_ROTATION_ACTION / max(turn, LARGEST_ROTATION_ACTION)
    action = np.concatenate([translation, rotation, [gripper]])
    return action.astype(np.float32)
