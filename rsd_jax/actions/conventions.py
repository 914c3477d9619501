"""What images and actions mean outside the networks, declared once and converted at the boundary."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # processes that only simulate or read files go without jax
    import jax

FramesT = TypeVar("FramesT", NDArray[np.uint8], "jax.Array")
GripperT = TypeVar("GripperT", NDArray[np.float64], "jax.Array")


@dataclass(frozen=True)
class Conventions:
    """The conventions that a policy was trained with; part of its checkpoint's metadata.

    Attributes:
        control_rate: actions a second, in Hz.
        gripper_open, gripper_closed: the gripper's action for opening and for closing.
        frames_are_upside_down: whether stored and rendered frames have to be turned by 180 degrees, see `upright`.
    """

    control_rate: float = 20.0
    gripper_open: float = -1.0
    gripper_closed: float = 1.0
    frames_are_upside_down: bool = True


LIBERO = Conventions()
"""LIBERO's environment and its demonstrations."""

DECLARED_RANGE = (-1.0, 1.0)
"""Range of every dimension of an action that LIBERO's controller declares; it clips what lies beyond."""


def upright(frames: FramesT) -> FramesT:
    """Turns frames ``[..., H, W, 3]`` by 180 degrees, as rendered <-> upright; its own inverse."""
    return frames[..., ::-1, ::-1, :]


def libero_gripper(gripper: GripperT, opened: float, closed: float) -> GripperT:
    """The gripper's actions as LIBERO has them, of actions that are `opened` for opening and `closed` for closing."""
    return LIBERO.gripper_open + (gripper - opened) / (closed - opened) * (LIBERO.gripper_closed - LIBERO.gripper_open)
