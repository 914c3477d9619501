"""In which of its equally good ways the expert does an episode: drawn at random, once, before the hand moves.

People who demonstrate a task grasp from either side, go over or around, and differ in speed and order. Demonstrations
that always do the same thing hide what that does to a policy: at one observation several continuations are valid, and
which one was chosen is not to be seen before the hand moves. The best constant answer to them under a squared or
absolute error lies between them, where there is no grasp at all: halfway from one side of a rim to the other is the
middle of the bowl. A categorical distribution over tokens can put its mass on every one of them and on nothing
between, and a choice of the coarse layers, once made, is what the finer layers go on from. That is what discrete
tokens are for, and what such demonstrations can show or refute.
"""

from dataclasses import dataclass

import numpy as np

from eval_bridge.experts.route import STRAIGHT, Route
from eval_bridge.setting_ranges import require_not_negative, require_shares

_STYLE_STREAM = 2  # apart from the simulator's draws (the seed alone) and from the noise (1) of the same episode


@dataclass(frozen=True)
class StyleSettings:
    """What of an episode's style is random; by default nothing, and the expert does what it does without a style.

    Attributes:
        sides: directions from an object's middle in which it may be grasped, degrees counter-clockwise from the
            robot's view straight ahead: 90 is left, -90 right, 180 the robot's side. Each is equally likely. Where an
            object is grasped in its middle they decide across which of its faces. Empty: the planner's own preference.
        side_spread: how far a direction may be off those (degrees, uniform).
        around_probability: that a way goes around instead of over, equally likely left and right; approaching and
            carrying are drawn apart.
        smallest_offset, largest_offset: how far such a way bows out (metres, uniform).
        highest_rise: how much higher than necessary a way may be (metres, uniform from 0).
        slowest: lowest speed, as a share of the ordinary one (uniform up to 1).
        shuffle_probability: that goals which do not depend on each other, and the places of items that share one, are
            taken in random order instead of the task's.

    Raises:
        ValueError: on construction, if a value is out of range.
    """

    sides: tuple[float, ...] = ()
    side_spread: float = 0.0
    around_probability: float = 0.0
    smallest_offset: float = 0.0
    largest_offset: float = 0.0
    highest_rise: float = 0.0
    slowest: float = 1.0
    shuffle_probability: float = 0.0

    def __post_init__(self) -> None:
        require_shares(self, ("around_probability", "shuffle_probability"))
        require_not_negative(self, ("side_spread", "highest_rise"))
        if not 0.0 <= self.smallest_offset <= self.largest_offset:
            raise ValueError(
                f"smallest_offset is {self.smallest_offset} and largest_offset {self.largest_offset}; "
                f"0 <= smallest_offset <= largest_offset must hold"
            )
        if not 0.0 < self.slowest <= 1.0:
            raise ValueError(f"slowest is {self.slowest}; it must lie in (0, 1]: 1 is the ordinary speed")


@dataclass(frozen=True)
class Style:
    """How an episode is done; without arguments as the planner itself prefers.

    Attributes:
        side: direction in which objects are grasped (degrees, see `StyleSettings.sides`); None is the planner's own.
        approach: how the hand travels to an object.
        carry: how it travels with one.
        speed: largest component of a translation, in action units.
        order: the task's predicates in the order in which they are taken, as far as they are independent; empty is
            the task's own.
    """

    side: float | None = None
    approach: Route = STRAIGHT
    carry: Route = STRAIGHT
    speed: float = 1.0
    order: tuple[int, ...] = ()


PLAIN = Style()
"""What the expert does where nothing is drawn."""


def style_generator(seed: int) -> np.random.Generator:
    """The generator that an episode's style is drawn by: start and noise of the same seed do not depend on it."""
    return np.random.default_rng([seed, _STYLE_STREAM])


def draw_style(settings: StyleSettings, generator: np.random.Generator, goals: int) -> Style:
    """Draws how an episode is done.

    Args:
        settings: what is random. Whatever they are, the same draws are made, in the same order: of one seed, two
            settings share what they have in common.
        generator: consumed.
        goals: number of predicates of the task's goal.
    """
    which, off_side = generator.random(), generator.uniform(-1.0, 1.0)
    approach, carry = (_draw_route(settings, generator) for _ in range(2))
    hurry, shuffle = generator.random(), generator.random()
    order = tuple(int(goal) for goal in generator.permutation(goals))
    side = settings.sides[int(which * len(settings.sides))] if settings.sides else None
    return Style(
        side=None if side is None else side + settings.side_spread * off_side,
        approach=approach,
        carry=carry,
        speed=settings.slowest + (1.0 - settings.slowest) * hurry,
        order=order if goals > 1 and shuffle < settings.shuffle_probability else (),
    )


def _draw_route(settings: StyleSettings, generator: np.random.Generator) -> Route:
    around, sign, share, rise = generator.random(4)
    offset = settings.smallest_offset + (settings.largest_offset - settings.smallest_offset) * share
    if around >= settings.around_probability:
        offset = 0.0
    return Route(rise=settings.highest_rise * rise, offset=offset if sign < 0.5 else -offset)
