"""From a pose the hand should reach to the action that moves it there: proportional control with a speed limit.

The controller of the simulator (OSC_POSE) takes a displacement per control step: one unit of a translation is 5 cm,
one unit of a rotation 0.5 rad. The action is a function of the current pose alone, so that a policy can imitate it,
and its direction is never bent by clipping: the whole vector is scaled down.
"""

import numpy as np
from numpy.typing import NDArray

from eval_bridge.experts.scene import Pose, Rotation, Vector

GRIPPER_OPEN = -1.0
GRIPPER_CLOSED = 1.0

METRES_PER_UNIT = 0.05
RADIANS_PER_UNIT = 0.5
GAIN = 1.5  # 2 overshoots by about a centimetre
LARGEST_ROTATION_ACTION = 0.6

# Columns: opening axis, its partner, approach axis. The hand points down and opens along the world's y axis.
HAND_DOWN: Rotation = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


def hand_down(yaw: float) -> Rotation:
    """Rotation ``[3, 3]`` of a hand that points down, its opening axis `yaw` radians from the world's y axis."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]) @ HAND_DOWN


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


def action_towards(hand: Pose, target: Pose, gripper: float, speed: float = 1.0) -> NDArray[np.float32]:
    """The action ``[7]`` that moves the hand towards `target`.

    Args:
        hand: where the hand is.
        target: where it should be.
        gripper: gripper command, `GRIPPER_OPEN` or `GRIPPER_CLOSED`.
        speed: largest length of the translation, in action units (1 is the controller's limit).
    """
    translation = GAIN * (target.position - hand.position) / METRES_PER_UNIT
    rotation = GAIN * rotation_error(hand, target.rotation) / RADIANS_PER_UNIT
    action = np.concatenate([_shortened(translation, speed), _shortened(rotation, LARGEST_ROTATION_ACTION), [gripper]])
    return action.astype(np.float32)


def _shortened(vector: Vector, longest: float) -> Vector:
    length = float(np.linalg.norm(vector))
    return vector if length <= longest else vector * (longest / length)
