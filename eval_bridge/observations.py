"""What a policy sees of a robot: the one type that simulators, policies and servers share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CAMERAS = ("agentview", "wrist")
"""Names of the cameras, which are fields of an `Observation`."""

STATE_SIZE = 8
"""Numbers of the robot's state."""


class Observation(NamedTuple):
    """What a policy sees before it decides on a chunk of actions.

    Attributes:
        agentview: third-person frame as the simulator rendered it, ``uint8 [256, 256, 3]``; for LIBERO this is
            upside-down ("opengl" convention), and `rsd_jax.actions.conventions` turns it upright.
        wrist: frame of the camera in the hand, same convention.
        proprio: ``float32 [8]``: end-effector position (3, metres), axis-angle (3, radians, angle in [0, 2 pi)),
            gripper finger positions (2, metres).
        instruction: the language instruction of the episode.
    """

    agentview: NDArray[np.uint8]
    wrist: NDArray[np.uint8]
    proprio: NDArray[np.float32]
    instruction: str
