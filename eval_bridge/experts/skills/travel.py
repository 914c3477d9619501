"""By which way the hand travels: the one asked for, where the scene allows it."""

from collections.abc import Callable
from typing import NamedTuple

from eval_bridge.experts.route import STRAIGHT, Route, is_within_reach, via_point
from eval_bridge.experts.scene import Scene, Vector
from eval_bridge.experts.skills.hand import highest_on_the_way

HIGHEST_DETOUR = 0.06  # that a way around may lead higher over things than the straight way does (metres)

Report = Callable[[Route, str], None]
"""Told by which route the hand travels, and why that is not the one asked for; empty if it is."""


class Way(NamedTuple):
    """Where the hand passes before it arrives, and over what.

    Attributes:
        via: a place ``[2]`` that it passes; None on a straight way.
        highest: the highest surface below (metres).
    """

    via: Vector | None
    highest: float


def no_report(route: Route, departure: str) -> None:
    """For those who do not want to know."""


def find_way(
    scene: Scene,
    start: Vector,
    end: Vector,
    half_width: float,
    item: str,
    route: Route = STRAIGHT,
    report: Report = no_report,
) -> Way:
    """Finds the way of `route`, if the robot gets there and nothing stands there that is much higher.

    Otherwise around on the other side, or else straight over.

    Args:
        scene: the scene.
        start: where the hand is (``[2]`` or more, metres).
        end: where it goes.
        half_width: of what moves (metres).
        item: what it travels to or with, which is no obstacle.
        route: the way asked for.
        report: told which way it is.
    """
    straight = highest_on_the_way(scene, start, end, half_width, item)
    departure = ""
    for bow in (route, Route(route.rise, -route.offset)):
        via = via_point(start, end, bow.offset)
        if via is None:
            departure = departure or ("the way is too short to go around" if route.offset else "")
            break
        if not is_within_reach(via, scene.robot_base()):
            departure = departure or "the way around leads out of the robot's reach"
            continue
        around = max(highest_on_the_way(scene, *leg, half_width, item) for leg in ((start, via), (via, end)))
        if around <= straight + HIGHEST_DETOUR:
            report(bow, departure)
            return Way(via, around)
        departure = departure or f"things {around - straight:.2f} m higher stand on the way around"
    report(Route(route.rise), departure)
    return Way(None, straight)
