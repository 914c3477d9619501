"""In what style an episode was asked for, and how it was then done."""

import dataclasses
from typing import Any

from eval_bridge.experts.route import Route
from eval_bridge.experts.style import PLAIN, Style

_SLOW = 0.875  # speed below which an episode counts as slow: the middle of those of configs/demos.py:diverse


class StyleRecord:
    """What the expert is asked for, and what it notes while it acts; one for each episode.

    Attributes:
        style: what it is asked for.
        kinds: part of the episode, such as ``"carry bowl_1"`` -> in which of a few kinds of ways it was done. Empty if
            nothing in particular was asked for.
        departures: the same parts -> why it was not done as asked.
    """

    def __init__(self, style: Style = PLAIN) -> None:
        self.style = style
        self.kinds: dict[str, str] = {}
        self.departures: dict[str, str] = {}
        if style.speed < 1.0:
            self.note("speed", "slow" if style.speed < _SLOW else "fast")
        if style.order:
            self.note("order", " ".join(map(str, style.order)))

    def note(self, part: str, kind: str, departure: str = "") -> None:
        """Notes how a part is done; of several attempts at it the first counts.

        Args:
            part: of the episode.
            kind: of the ways to do it.
            departure: why that is not the way asked for; empty if it is.
        """
        if part in self.kinds or self.style == PLAIN:
            return
        self.kinds[part] = kind
        if departure:
            self.departures[part] = departure

    def values(self) -> dict[str, Any]:
        """Everything as JSON values: the fields of `Style`, ``kinds`` and ``departures``."""
        return {**dataclasses.asdict(self.style), "kinds": dict(self.kinds), "departures": dict(self.departures)}


def kind_of_route(route: Route) -> str:
    """``"over"``, or around: ``"left"`` or ``"right"``."""
    return "over" if route.offset == 0 else ("left" if route.offset > 0 else "right")
