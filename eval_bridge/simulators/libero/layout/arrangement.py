"""Where everything is after some of a scene was moved. What stands on a thing, or in it, moves with it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from eval_bridge.simulators.libero.layout.scene import Body, LayoutScene, LevelPlace, Vector

ABOVE = 0.002
"""How high over its place a thing is put, so that it does not begin inside what carries it (metres)."""


class Rectangle(NamedTuple):
    """On the plane: its middle ``[2]``, half its edge lengths ``[2]`` along axes turned by `yaw`."""

    centre: Vector
    half_size: Vector
    yaw: float


class Moved(NamedTuple):
    """Where a body's origin is, ``[3]``, and by how much the body is turned about the vertical (radians)."""

    position: Vector
    turn: float


@dataclass(frozen=True)
class Arrangement:
    """Places of all bodies of a scene.

    Attributes:
        scene: the scene as its own start has it.
        places: of every body.
        supports: what each stands on now; None: the table or the floor.
        removed: things that are taken away.
    """

    scene: LayoutScene
    places: Mapping[str, Moved]
    supports: Mapping[str, str | None]
    removed: frozenset[str] = frozenset()

    @staticmethod
    def of(scene: LayoutScene) -> "Arrangement":
        """Nothing is moved yet."""
        places = {name: Moved(body.position, 0.0) for name, body in scene.bodies.items()}
        return Arrangement(scene, places, {name: body.support for name, body in scene.bodies.items()})

    @property
    def changed(self) -> frozenset[str]:
        """Bodies that are there and not where their own start has them."""
        own = self.scene.bodies
        return frozenset(
            name
            for name, (position, turn) in self.places.items()
            if name not in self.removed and (turn != 0.0 or not np.array_equal(position, own[name].position))
        )

    def stack(self, name: str) -> list[str]:
        """A body and everything that stands on it or in it, directly or not."""
        found = [name]
        for below in found:
            found += [other for other, support in self.supports.items() if support == below]
        return found

    def carriers(self, name: str) -> list[str]:
        """What a body stands on, what that stands on, and so on."""
        found: list[str] = []
        while (support := self.supports[name]) is not None:
            found.append(support)
            name = support
        return found

    def remove(self, name: str) -> "Arrangement":
        """Without a thing and what stands on it."""
        return replace(self, removed=self.removed | set(self.stack(name)))

    def move(self, name: str, position: Vector, turn: float) -> "Arrangement":
        """With a body's origin at `position` ``[3]`` and the body turned by `turn` from its own start."""
        before = self.places[name]
        return self._rigidly([name], before.position, position, turn - before.turn)

    def move_together(self, names: list[str], shift: Vector, turn: float) -> "Arrangement":
        """With bodies on the table shifted by ``[2]`` and turned about their common middle."""
        middle = np.mean([self.footprint(name).centre for name in names], axis=0)
        pivot = np.array([*middle, 0.0])
        return self._rigidly(names, pivot, pivot + np.array([*shift, 0.0]), turn)

    def stand(self, name: str, at: Vector, turn: float, support: str | None) -> "Arrangement":
        """With a body standing at a place: the middle of its underside over `at` ``[3]``."""
        body = self.scene.bodies[name]
        middle = rotate((body.low + body.high)[:2] / 2, body.yaw + turn)
        position = np.array([*(at[:2] - middle), at[2] - body.low[2]])
        moved = self.move(name, position, turn)
        return replace(moved, supports={**self.supports, name: support})

    def foot(self, name: str) -> Vector:
        """The middle of a body's underside, ``[3]``."""
        return np.array([*self.footprint(name).centre, self.span(name)[0]])

    def footprint(self, name: str) -> Rectangle:
        """What a body covers as seen from above."""
        return footprint_of(self.scene.bodies[name], *self.places[name])

    def span(self, name: str) -> tuple[float, float]:
        """The heights between which a body is."""
        body, height = self.scene.bodies[name], self.places[name].position[2]
        return float(height + body.low[2]), float(height + body.high[2])

    def level_place(self, region: str) -> LevelPlace:
        """A level place, where what carries it is now."""
        own = self.scene.level_places[region]
        position, turn = self.places[own.carrier]
        offset = own.centre - self.scene.bodies[own.carrier].position
        centre = position + np.array([*rotate(offset[:2], turn), offset[2]])
        return LevelPlace(own.carrier, centre, own.half_size, own.yaw + turn)

    def collision(self, gap: float, ignored: Collection[str] = ()) -> tuple[str, str] | None:
        """Two bodies, one of them moved, that would be closer than `gap` (metres) or in each other; None if none are.

        Boxes stand for bodies. What carries a body, or is carried by it, is no obstacle to it, nor what moved as one
        with it.

        Args:
            gap: that must be left.
            ignored: bodies that are still to be moved.
        """
        present = [name for name in self.places if name not in self.removed and name not in ignored]
        for first in sorted(self.changed - set(ignored)):
            for second in present:
                is_carried = second in self.carriers(first) or first in self.carriers(second)
                if second == first or is_carried or self._stand_as_before(first, second):
                    continue
                (low, high), (other_low, other_high) = self.span(first), self.span(second)
                is_level = low < other_high - ABOVE and other_low < high - ABOVE
                if is_level and overlap(self.footprint(first), self.footprint(second), gap):
                    return first, second
        return None

    def _stand_as_before(self, first: str, second: str) -> bool:
        """Whether two bodies were moved as one."""
        own, (here, turn), (there, turned) = self.scene.bodies, self.places[first], self.places[second]
        before = own[second].position - own[first].position
        return turn == turned and bool(np.allclose(rotate((there - here)[:2], -turn), before[:2], atol=1e-9))

    def _rigidly(self, names: list[str], pivot: Vector, goal: Vector, turn: float) -> "Arrangement":
        places = dict(self.places)
        for name in {each for root in names for each in self.stack(root)}:
            position, turned = self.places[name]
            offset = position - pivot
            places[name] = Moved(goal + np.array([*rotate(offset[:2], turn), offset[2]]), turned + turn)
        return replace(self, places=places)


def footprint_of(body: Body, position: Vector, turn: float = 0.0) -> Rectangle:
    """What a body covers as seen from above, with its origin at `position` ``[3]``, turned from its own start."""
    centre = position[:2] + rotate((body.low + body.high)[:2] / 2, body.yaw + turn)
    return Rectangle(centre, (body.high - body.low)[:2] / 2, body.yaw + turn)


def rotate(vector: Vector, angle: float) -> Vector:
    """A vector of the plane, ``[2]``, turned by an angle."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * vector[0] - sine * vector[1], sine * vector[0] + cosine * vector[1]])


def overlap(first: Rectangle, second: Rectangle, gap: float) -> bool:
    """Whether two rectangles are closer than `gap` along all of their axes: the separating axis theorem."""
    between = second.centre - first.centre
    for yaw in (first.yaw, second.yaw):
        for axis in (rotate(np.array([1.0, 0.0]), yaw), rotate(np.array([0.0, 1.0]), yaw)):
            reach = sum(
                float(np.abs(rotate(np.array([1.0, 0.0]), each.yaw) @ axis) * each.half_size[0])
                + float(np.abs(rotate(np.array([0.0, 1.0]), each.yaw) @ axis) * each.half_size[1])
                for each in (first, second)
            )
            if abs(float(between @ axis)) >= reach + gap:
                return False
    return True
