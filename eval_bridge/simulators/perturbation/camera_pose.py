"""Where LIBERO-Plus puts the third-person camera. The camera in the hand stays where it is.

Its cases move the camera in one of three ways: around the table on a sphere, also 15 degrees above its place; away
from the table; or it stays and turns. Every move is followed by rounding to four decimals, as there. Small shifts
are our own.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PIVOT = np.array([0.0, 0.0, 0.8])
"""Metres: what the camera moves around, and away from."""

_DECIMALS = 4
_Y, _Z = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])


class CameraPose(NamedTuple):
    """Position ``[3]`` in metres and quaternion ``[4]``, w first, in the world."""

    position: NDArray[np.float64]
    quaternion: NDArray[np.float64]


class CameraMove(NamedTuple):
    """The parameters of a case, as LIBERO-Plus's names have them (``_view_AZIMUTH_ELEVATION_DISTANCE_TURN_TILT``).

    Attributes:
        azimuth: degrees around the vertical, anticlockwise; 1 to 75 and 285 to 359.
        elevation: degrees towards the vertical; 0 or 15.
        distance: from `PIVOT` in per cent of what it was; 100 to 200.
        turn: degrees that the camera turns in place around the vertical; 0, or an even number within 10 of it.
        tilt: likewise around the y-axis.
    """

    azimuth: int
    elevation: int
    distance: int
    turn: int
    tilt: int


class CameraShift(NamedTuple):
    """A small change of a camera's pose, in the frame of what carries it.

    Attributes:
        offset: by how much it is moved along each axis (metres).
        turn: an axis to turn it in place around, as long as the angle (degrees).
    """

    offset: tuple[float, float, float]
    turn: tuple[float, float, float]


def shift_camera(pose: CameraPose, shift: CameraShift) -> CameraPose:
    """The pose after a shift."""
    degrees = float(np.linalg.norm(shift.turn))
    turn = _around(np.asarray(shift.turn) / (degrees or 1.0), degrees)
    return CameraPose(pose.position + shift.offset, _turn(pose, turn))


def move_camera(pose: CameraPose, move: CameraMove) -> CameraPose:
    """The pose after a move: up, around, away, then turned in place."""
    if move.elevation:
        pose = _rounded(_swing(pose, -move.elevation, _Y))
    pose = _rounded(_swing(pose, move.azimuth, _Z))
    if move.distance != 100:
        pose = _rounded(pose._replace(position=PIVOT + (pose.position - PIVOT) * (move.distance / 100)))
    if move.turn:
        pose = _rounded(pose._replace(quaternion=_turn(pose, _around(_Z, move.turn))))
    if move.tilt:
        pose = _rounded(pose._replace(quaternion=_turn(pose, _around(_Y, -move.tilt))))
    return pose


def _swing(pose: CameraPose, degrees: float, axis: NDArray[np.float64]) -> CameraPose:
    """The pose turned around an axis through `PIVOT`."""
    turn, offset = _around(axis, degrees), pose.position - PIVOT
    point = _multiply(_multiply(turn, np.append(0.0, offset)), turn * np.array([1.0, -1.0, -1.0, -1.0]))[1:]
    return CameraPose(PIVOT + point, _turn(pose, turn))


def _turn(pose: CameraPose, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quaternion after a turn; rounding has left it with another length than 1."""
    return _multiply(turn, pose.quaternion / np.linalg.norm(pose.quaternion))


def _around(axis: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    half = np.deg2rad(degrees) / 2
    return np.append(np.cos(half), np.sin(half) * axis)


def _multiply(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Product of two quaternions: the rotation by `second`, then by `first`."""
    w, v, u, x = first[0], first[1:], second[0], second[1:]
    return np.append(w * u - v @ x, w * x + u * v + np.cross(v, x))


def _rounded(pose: CameraPose) -> CameraPose:
    """By Python's rounding, which differs from NumPy's where a number lies in the middle between two."""
    return CameraPose(*(np.array([round(number, _DECIMALS) for number in part.tolist()]) for part in pose))
