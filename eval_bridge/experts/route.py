"""By which of several equally good ways the hand travels: straight over what lies between, higher, or around it."""

from dataclasses import dataclass

import numpy as np

from eval_bridge.experts.scene import Vector

SHORTEST_WAY = 0.05  # a shorter one goes straight: the hand is there already (metres)
# Metres from the robot's base between which the hand, pointing down, gets everywhere at the height of travel.
NEAREST, FARTHEST = 0.30, 0.78


@dataclass(frozen=True)
class Route:
    """How the hand travels from one place above the table to another.

    Attributes:
        rise: how much higher than what it has to pass over asks for (metres).
        offset: how far the middle of the way lies to the left of the straight line, seen in the direction of travel
            (metres); negative to the right. 0 is straight.

    Raises:
        ValueError: on construction, if the hand would travel lower than what lies below allows.
    """

    rise: float = 0.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.rise < 0:
            raise ValueError(f"rise is {self.rise}; it must not be negative: the hand would meet what it passes over")


STRAIGHT = Route()


def via_point(start: Vector, end: Vector, offset: float) -> Vector | None:
    """Through which place ``[2]`` a bow from `start` to `end` (``[2]`` or more) leads, all in metres.

    It bows out by no more than the way's length: a short way makes a small one.

    Returns:
        None if there is none: the bow is straight, or the way is too short for one.
    """
    way = np.asarray(end[:2] - start[:2], float)
    length = float(np.linalg.norm(way))
    if offset == 0 or length < SHORTEST_WAY:
        return None
    to_the_left = np.array([-way[1], way[0]]) / length
    aside = float(np.clip(offset, -length, length))
    return np.asarray(start[:2], float) + way / 2 + aside * to_the_left


def is_within_reach(place: Vector, robot_base: Vector) -> bool:
    """Whether the hand, pointing down, travels through a place (``[2]`` or more) without stretching or folding."""
    return NEAREST <= float(np.linalg.norm(place[:2] - robot_base[:2])) <= FARTHEST
