"""How near the looks of demonstrations come to those that LIBERO-PRO's ``_object`` variants are evaluated with.

The looks that a demonstration tells are shown in its compiled scene again, and what is then recoloured there is
measured: nothing is taken from what drew them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.looks.applying import ModelLooks
from eval_bridge.simulators.libero.looks.values import Looks
from eval_bridge.simulators.libero.withheld_looks import NEAR_COLOUR, colour_distances


class NearestLook(NamedTuple):
    """The demonstration whose things come nearest to the colour that a variant has in their place."""

    distance: float
    demo: int
    seed: int

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        return {"cie76": self.distance, "demo": self.demo, "seed": self.seed}


class LooksAudit(NamedTuple):
    """What the audit of a task's looks found.

    Attributes:
        nearest: class of a variant -> the nearest of the things in whose place it is, of those that are recoloured.
        num_demos: demonstrations with looks of their own.
        withheld: those that must not be trained on, by index.
    """

    nearest: dict[str, NearestLook]
    num_demos: int
    withheld: tuple[int, ...]

    @property
    def refusals(self) -> list[str]:
        """Why the demonstrations must not be trained on, each to follow their name."""
        if not self.withheld:
            return []
        demos = ", ".join(map(str, self.withheld))
        return [f"have things recoloured within {NEAR_COLOUR:g} (CIE76) of those of variants (demonstrations {demos})"]

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        nearest = {variant: near.values() for variant, near in self.nearest.items()}
        return {"demos": self.num_demos, "nearest": nearest, "withheld": list(self.withheld)}


def measure_colours(scene: ModelLooks, looks: Mapping[str, Any] | None) -> dict[str, NDArray[np.float64]] | None:
    """Class -> mean colour, L*a*b* ``[3]``, of what looks recolour in a scene; None of a demonstration without looks.

    The scene has the task's own looks afterwards.

    Raises:
        ValueError: they are not of that scene.
    """
    if looks is None:
        return None
    scene.show(Looks.of(looks))
    colours = {name: scene.colour(name) for name in scene.recoloured}
    scene.show(Looks())
    return colours


def audit_looks(colours: Sequence[Mapping[str, NDArray[np.float64]] | None], seeds: Sequence[int]) -> LooksAudit:
    """Compares the colours of demonstrations of a task (`measure_colours`) with those that are withheld."""
    nearest: dict[str, NearestLook] = {}
    withheld = set()
    for index, (found, seed) in enumerate(zip(colours, seeds, strict=True)):
        for name, colour in (found or {}).items():
            for variant, distance in colour_distances(name, colour).items():
                near = NearestLook(distance, index, seed)
                nearest[variant] = min(near, nearest.get(variant, near))
                if distance < NEAR_COLOUR:
                    withheld.add(index)
    return LooksAudit(nearest, sum(found is not None for found in colours), tuple(sorted(withheld)))
