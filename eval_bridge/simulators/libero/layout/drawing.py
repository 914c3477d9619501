"""Draws a layout: a pure function of a generator, a scene and settings.

Which thing the instruction means must stay certain. Where another thing looks like the target (libero_spatial has two
equal bowls), one of three rules holds in a layout:

- ``kept``: the target stays where its own start has it, with what it stands on or in, as in LIBERO-PRO's exchanged
  scenes; the plate, landmarks, the other bowl and the rest move.
- ``together``: the target and the landmarks of the words move as one and keep how they stand to each other.
- ``alone``: the look-alikes are taken away, and everything may be anywhere.

By the first two, the target is the one at its own place, else the one that the words describe: no look-alike comes to
stand at the target's own place or, closer than in its own start, next to a landmark of the words. Where nothing looks
like the target, everything moves, and the rule is ``free``.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from eval_bridge.simulators.libero.layout.arrangement import ABOVE, Arrangement, rotate
from eval_bridge.simulators.libero.layout.roles import Roles
from eval_bridge.simulators.libero.layout.rules import fault_of
from eval_bridge.simulators.libero.layout.scene import LayoutScene, Vector
from eval_bridge.simulators.libero.layout.settings import LayoutSettings

KEPT, TOGETHER, ALONE, FREE = "kept", "together", "alone", "free"

_TRIES = 25  # at a place for one thing
_CARRIED = 0.4  # share of a thing's size that must be over what carries it


class Layout(NamedTuple):
    """A layout.

    Attributes:
        rule: by which the instruction stays true, see above.
        arrangement: where everything is.
        exchanges: what changed places with what: a body, and a body or the region of a level place.
    """

    rule: str
    arrangement: Arrangement
    exchanges: tuple[tuple[str, str], ...]


class Refused(NamedTuple):
    """A draw that is no layout, and in a few words why."""

    reason: str


def draw_rule(generator: np.random.Generator, roles: Roles, settings: LayoutSettings) -> str:
    """Draws the rule of an episode: once, for some are harder to meet than others and would be refused away."""
    if not roles.look_alikes:
        return FREE
    rules = (KEPT, TOGETHER, ALONE) if roles.landmarks else (KEPT, ALONE)
    of_rule = {KEPT: settings.kept_weight, TOGETHER: settings.together_weight, ALONE: settings.alone_weight}
    weights = np.array([of_rule[rule] for rule in rules])
    if not weights.any():
        return KEPT  # only together, and there is no landmark to move with
    return rules[int(generator.choice(len(rules), p=weights / weights.sum()))]


def draw_layout(
    generator: np.random.Generator, scene: LayoutScene, settings: LayoutSettings, rule: str
) -> Layout | Refused:
    """Draws a layout by a rule, or what turns out to be none; `generator` is consumed in either case."""
    return _Draw(generator, scene, settings).layout(rule)


class _Draw:
    """One draw: the arrangement under way, and what may still be moved."""

    def __init__(self, generator: np.random.Generator, scene: LayoutScene, settings: LayoutSettings) -> None:
        self._random, self._scene, self._settings = generator, scene, settings
        self._at = Arrangement.of(scene)
        self._pinned = set(scene.roles.fixed)
        self._exchanges: list[tuple[str, str]] = []

    def layout(self, rule: str) -> Layout | Refused:
        """Takes away, moves what moves as one, fixtures, exchanges, and puts the rest anywhere, in this order."""
        self._remove(rule)
        drawn = [name for name in self._scene.bodies if self._is_drawn(self._anywhere_probability(name))]
        drawn.sort(key=self._scene.strangers.__contains__)  # behind the task's own things, where there is room left
        if rule == KEPT:
            self._pin(self._scene.roles.targets)
        if not self._move_group(rule, drawn):
            return Refused("no room for what moves together")
        self._move_fixtures()
        if not self._exchange(drawn):
            return Refused("no room for an exchange")
        loose = self._loose(drawn)
        if reason := fault_of(self._at, self._settings, loose):
            return Refused(reason)
        for index, name in enumerate(loose):
            if self._put_anywhere(name, loose[index + 1 :]):
                continue
            if name not in self._scene.strangers:
                return Refused("no room for a thing")
            self._at = self._at.remove(name)
        reason = self._fault()
        return Refused(reason) if reason else Layout(rule, self._at, tuple(self._exchanges))

    def _loose(self, drawn: Iterable[str]) -> list[str]:
        """Those of the things drawn to be put anywhere that still may be: all others are where they will be."""
        held = {*self._pinned, *self._at.removed, *(name for pair in self._exchanges for name in pair)}
        return [name for name in drawn if name not in held and not self._scene.bodies[name].is_fixture]

    # --- what keeps the words true

    def _anywhere_probability(self, name: str) -> float:
        return 1.0 if name in self._scene.strangers else self._settings.anywhere_probability

    def _removal_probability(self, name: str) -> float:
        settings = self._settings
        return 1.0 - settings.stranger_probability if name in self._scene.strangers else settings.removal_probability

    def _remove(self, rule: str) -> None:
        roles, own = self._scene.roles, self._scene.bodies
        needed = {*roles.goal, *roles.targets, *roles.landmarks, *roles.fixed}
        for name in own:
            is_look_alike = rule == ALONE and name in roles.look_alikes
            is_drawn = self._is_drawn(self._removal_probability(name))
            if is_look_alike or (is_drawn and not own[name].is_fixture and not needed & set(self._at.stack(name))):
                self._at = self._at.remove(name)

    def _pin(self, names: Iterable[str]) -> None:
        """What these stand on or in stays, too."""
        self._pinned |= {each for name in names for each in (name, *self._at.carriers(name))}

    def _move_group(self, rule: str, drawn: Iterable[str]) -> bool:
        """Moves target and landmarks, or what the words tell apart by left and right; whether there was room."""
        roles, settings = self._scene.roles, self._settings
        members = (*roles.targets, *roles.landmarks) if rule == TOGETHER else roles.told_apart
        roots = list(dict.fromkeys([name, *self._at.carriers(name)][-1] for name in members))
        moves = rule == TOGETHER or self._is_drawn(settings.anywhere_probability)
        free = not self._pinned & set(roots)
        self._pinned |= {name for root in roots for name in self._at.stack(root)} if members else set()
        if not roots or not moves or not free:
            return rule != TOGETHER
        largest_turn = np.deg2rad(settings.largest_turn) if rule == TOGETHER else 0.0
        middle = np.mean([self._at.footprint(name).centre for name in roots], axis=0)
        loose = self._loose(drawn)
        for _ in range(_TRIES):
            turn = self._random.uniform(-largest_turn, largest_turn)
            moved = self._at.move_together(roots, self._point_within_reach() - middle, turn)
            if self._is_possible(moved, loose):
                self._at = moved
                return True
        return False

    # --- moves

    def _move_fixtures(self) -> None:
        settings = self._settings
        for name, body in self._scene.bodies.items():
            if body.is_fixture and name not in self._pinned and self._is_drawn(settings.fixture_probability):
                shift = self._random.uniform(-1.0, 1.0, 2) * settings.fixture_shift
                turn = self._random.uniform(-1.0, 1.0) * np.deg2rad(settings.fixture_turn)
                self._at = self._at.move_together([name], shift, turn)

    def _exchange(self, drawn: Iterable[str]) -> bool:
        """Exchanges what is drawn to be; whether there was room."""
        settings, goal = self._settings, self._scene.roles.goal
        wanted = int(self._random.integers(1, settings.most_exchanges, endpoint=True))
        for number in range(wanted if self._is_drawn(settings.exchange_probability) else 0):
            taken = {name for pair in self._exchanges for name in pair}
            able = [name for name in self._scene.bodies if name not in taken and self._may_change(name)]
            firsts = [name for name in able if name in goal and not self._scene.bodies[name].is_fixture]
            first = self._choose(firsts if firsts and number == 0 else able)
            if first is None:
                return True
            second = self._choose([name for name in (*able, *self._scene.level_places) if self._fit(first, name)])
            if second is not None:
                self._exchanges.append((first, second))
                loose = self._loose(drawn)
                tries = (self._exchanged(first, second) for _ in range(_TRIES))
                moved = next((each for each in tries if self._is_possible(each, loose)), None)
                if moved is None:
                    return False
                self._at = moved
        return True

    def _may_change(self, name: str) -> bool:
        is_there = name not in self._at.removed and name not in self._scene.strangers
        return is_there and name not in self._pinned and not self._scene.bodies[name].is_inside

    def _fit(self, first: str, second: str) -> bool:
        """Whether these may change places: a body, and a body or a level place."""
        at, grounded = self._at, self._scene.roles.grounded
        if second in self._scene.level_places:
            return first not in grounded and self._fits_on(first, second)
        if second == first or first in at.stack(second) or second in at.stack(first):
            return False
        own, supports = self._scene.bodies, at.supports
        if own[first].is_fixture or own[second].is_fixture:
            return supports[first] is supports[second] is None
        return not any(
            one in grounded and supports[other] is not None for one, other in ((first, second), (second, first))
        )

    def _fits_on(self, name: str, region: str) -> bool:
        """Whether a thing has room on a level place. It may stick out over a thing that carries it, not a fixture."""
        place, box, roles = self._at.level_place(region), self._at.footprint(name), self._scene.roles
        carrier = self._scene.bodies[place.carrier]
        is_free = region not in roles.destinations and place.carrier not in (*self._at.stack(name), *self._at.removed)
        if not carrier.is_fixture:
            needed = {*roles.goal, *roles.targets, *roles.told_apart, *roles.look_alikes}
            is_free = is_free and place.carrier not in needed and self._at.stack(place.carrier) == [place.carrier]
        carried = box.half_size if carrier.is_fixture else _CARRIED * box.half_size
        is_small = bool((np.sort(carried) <= np.sort(place.half_size)).all())
        return is_free and is_small and not self._scene.bodies[name].is_fixture

    def _exchanged(self, first: str, second: str) -> Arrangement:
        """Draws how two change places: near the middle of the other's place, and turned."""
        at, own = self._at, self._scene.bodies
        if second in self._scene.level_places:
            carrier = at.level_place(second).carrier
            return at.stand(first, self._point_on(first, second), self._turn_of_exchanged(first), carrier)
        feet = {name: at.foot(name) for name in (first, second)}
        supports = {name: at.supports[name] for name in (first, second)}
        facing = {name: self._facing(name, other) for name, other in ((first, second), (second, first))}
        for name, other in ((first, second), (second, first)):
            is_fixed = own[name].is_fixture or own[other].is_fixture  # feet of fixtures may be below the table
            height = feet[name][2] if is_fixed else feet[other][2] + ABOVE
            aside = self._random.uniform(-1.0, 1.0, 2) * (0.0 if supports[other] else self._settings.exchange_shift)
            turn = facing[name] + self._turn_of_exchanged(name)
            at = at.stand(name, np.array([*(feet[other][:2] + aside), height]), turn, supports[other])
        return at

    def _turn_of_exchanged(self, name: str) -> float:
        limit = self._settings.fixture_turn if self._scene.bodies[name].is_fixture else self._settings.largest_turn
        return float(self._random.uniform(-1.0, 1.0) * np.deg2rad(limit))

    def _facing(self, name: str, other: str) -> float:
        """How far something that takes another's place is turned for it, from its own start.

        Fixtures face what those faced that they change places with, as LIBERO-PRO has it; one that takes a thing's
        place faces either way.
        """
        own, turn = self._scene.bodies, self._at.places[name].turn
        if not own[name].is_fixture:
            return turn
        if own[other].is_fixture:
            return own[other].heading + self._at.places[other].turn - own[name].heading
        return turn + float(self._random.choice([0.0, np.pi]))

    def _put_anywhere(self, name: str, later: list[str]) -> bool:
        """Puts a thing on the table, the floor, a fixture or a flat thing; whether there was room."""
        turn_limit = np.deg2rad(self._settings.largest_turn)
        regions = [region for region in self._scene.level_places if self._fits_on(name, region)]
        regions = [] if name in self._scene.roles.grounded else regions
        region = self._choose(regions) if self._is_drawn(self._settings.raised_probability) else None
        for _ in range(_TRIES):
            turn = self._random.uniform(-turn_limit, turn_limit)
            if region is None:
                height = self._scene.ground.height + ABOVE
                moved = self._at.stand(name, np.array([*self._point_within_reach(), height]), turn, None)
            else:
                moved = self._at.stand(name, self._point_on(name, region), turn, self._at.level_place(region).carrier)
            if self._is_possible(moved, later):
                self._at = moved
                return True
        return False

    # --- draws

    def _is_drawn(self, probability: float) -> bool:
        return bool(self._random.random() < probability)

    def _choose(self, names: list[str]) -> str | None:
        return names[int(self._random.integers(len(names)))] if names else None

    def _point_within_reach(self) -> Vector:
        """A point of the ground before the robot, evenly drawn from those that are neither too near nor too far."""
        ground, settings = self._scene.ground, self._settings
        low = np.maximum(ground.low, ground.foot + np.array([0.0, -settings.widest]))
        high = np.maximum(low, np.minimum(ground.high, ground.foot + np.array([settings.farthest, settings.widest])))
        points = self._random.uniform(low, high, (_TRIES, 2))
        distances = np.linalg.norm(points - ground.foot, axis=1)
        reached = (distances >= settings.nearest) & (distances <= settings.farthest)
        point: Vector = points[int(np.argmax(reached))]
        return point

    def _point_on(self, name: str, region: str) -> Vector:
        place, box = self._at.level_place(region), self._at.footprint(name)
        room = np.maximum(place.half_size - box.half_size.max(), 0.0)  # none where it sticks out
        offset = rotate(self._random.uniform(-room, room), place.yaw)
        return place.centre + np.array([*offset, ABOVE])

    # --- what a layout must hold

    def _is_possible(self, at: Arrangement, ignored: list[str]) -> bool:
        return fault_of(at, self._settings, ignored) is None

    def _fault(self) -> str | None:
        if not self._at.changed and self._at.removed <= self._scene.strangers:
            return "nothing changed"
        return fault_of(self._at, self._settings)
