"""Grasping an object on a side that was asked for, as long as that is about as good as the best grasp of all."""

from dataclasses import replace

import numpy as np

from eval_bridge.experts.grasp_planning import Grasp, GraspPreferences
from eval_bridge.experts.scene import Vector

WORSE = 0.08  # cost by which a grasp on the side asked for may exceed that of the best grasp of all (metres)
OFF_SIDE = 60.0  # what is farther than this from the side asked for is not on it (degrees)
IN_THE_MIDDLE = 0.02  # of an object: a grasp there is on no side (metres)
SIDES = ("far", "left", "near", "right")  # by quarter turns, as the robot sees them


def prefer_side(preferences: GraspPreferences, side: float) -> GraspPreferences:
    """Preferences for grasps in the direction `side` (degrees, counter-clockwise from the world's x) of an object.

    The hand closes along that direction. Its yaw counts modulo 180 degrees and is taken from the range that the last
    joint has.
    """
    angle, yaw = np.deg2rad(side), np.deg2rad((side - 90.0 + 75.0) % 180.0 - 75.0)
    return replace(preferences, side=(float(np.cos(angle)), float(np.sin(angle))), preferred_yaw=float(yaw))


def why_not(asked: Grasp | None, best: Grasp, centre_of_mass: Vector, side: float) -> str:
    """Why the grasp planned for a side is not to be used; empty if it is.

    Args:
        asked: planned with `prefer_side`; None if there was none.
        best: the planner's own, whatever its side.
        centre_of_mass: of the object, ``[2]`` or more.
        side: the direction asked for (degrees).
    """
    if asked is None:
        return "there is no grasp there"
    away = (asked.position - centre_of_mass)[:2]
    off = np.arctan2(away[1], away[0]) - np.deg2rad(side)
    if np.linalg.norm(away) > IN_THE_MIDDLE and np.cos(off) < np.cos(np.deg2rad(OFF_SIDE)):
        return "the best grasp for that side lies on another"
    if asked.cost > best.cost + WORSE:
        return f"the best grasp there costs {asked.cost - best.cost:.2f} m more"
    return ""


def kind_of_grasp(grasp: Grasp, centre_of_mass: Vector) -> str:
    """One of `SIDES`, or for a grasp in the middle of the object ``"middle, crosswise"`` or ``"middle, lengthwise"``.

    Crosswise is a hand that opens to the robot's left and right, lengthwise one that opens to and from the robot.
    """
    away = (grasp.position - centre_of_mass)[:2]
    if np.linalg.norm(away) < IN_THE_MIDDLE:
        return "middle, crosswise" if abs(np.cos(grasp.yaw)) > np.sqrt(0.5) else "middle, lengthwise"
    return SIDES[round(float(np.arctan2(away[1], away[0])) / (np.pi / 2)) % 4]
