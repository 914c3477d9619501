"""How near the layouts of demonstrations come to those that LIBERO-PRO's variants are evaluated on.

Counted from what demonstrations hold, not from what drew them. The variants ``_lan``, ``_object`` and ``_task`` lay a
task out as the base suite does, so that demonstrations of its own reset lie among their states: told, not refused.
Random layouts, which demonstrations have with an attribute ``layout``, are refused by the rule of
`eval_bridge.simulators.libero.withheld`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.withheld import NEAR, NearestLayout, layout_needs, nearest_by_variant


class DemoLayout(NamedTuple):
    """Where things are when a demonstration starts.

    Attributes:
        places: object or fixture -> position ``[3]``, metres.
        is_random: whether the layout was drawn for the demonstration.
        seed: of the demonstration; -1 if the file does not tell it.
    """

    places: Mapping[str, NDArray[np.float64]]
    is_random: bool
    seed: int


class NearestDemo(NamedTuple):
    """The demonstration that comes nearest to a variant, and the state that it is nearest to."""

    layout: NearestLayout
    demo: int
    seed: int

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        near = self.layout
        return {"m": near.distance, "demo": self.demo, "seed": self.seed, "task": near.task, "state": near.state}


class LayoutAudit(NamedTuple):
    """What the audit of a task's layouts found.

    Attributes:
        own: variant -> the nearest of the demonstrations that the task's own reset laid out.
        random: variant -> the nearest of those with random layouts.
        num_own: of the former. num_random: of the latter.
        withheld: random layouts that must not be trained on, by index.
        untold: demonstrations that do not tell where everything is that goals name, by index.
        refused_untold: those of them that have random layouts.
    """

    own: dict[str, NearestDemo]
    random: dict[str, NearestDemo]
    num_own: int
    num_random: int
    withheld: tuple[int, ...]
    untold: tuple[int, ...]
    refused_untold: tuple[int, ...]

    @property
    def refusals(self) -> list[str]:
        """Why the demonstrations must not be trained on, each to follow their name."""
        found = []
        if self.withheld:
            found.append(
                f"have random layouts within {100 * NEAR:g} cm of states of variants (demonstrations "
                f"{', '.join(map(str, self.withheld))})"
            )
        if self.refused_untold:
            found.append(
                "have random layouts that do not tell where everything is (demonstrations "
                f"{', '.join(map(str, self.refused_untold))})"
            )
        return found

    def values(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "own": {"demos": self.num_own, "nearest": {name: near.values() for name, near in self.own.items()}},
            "random": {
                "demos": self.num_random,
                "nearest": {name: near.values() for name, near in self.random.items()},
            },
            "withheld": list(self.withheld),
            "untold": list(self.untold),
        }


def audit_layouts(suite: str, task: str, demos: Sequence[DemoLayout]) -> LayoutAudit:
    """Compares the layouts of demonstrations of a task with all states of variants in its scene.

    Raises:
        UnknownName: `suite` is none of LIBERO's own, or has no such task.
    """
    needed = layout_needs(suite, task)
    nearest: dict[bool, dict[str, NearestDemo]] = {False: {}, True: {}}
    withheld, untold = [], []
    for index, demo in enumerate(demos):
        if needed - set(demo.places):
            untold.append(index)
            continue
        found = nearest_by_variant(suite, task, demo.places)
        of_kind = nearest[demo.is_random]
        for variant, layout in found.items():
            near = NearestDemo(layout, index, demo.seed)
            of_kind[variant] = min(near, of_kind.get(variant, near))
        if demo.is_random and any(layout.is_withheld for layout in found.values()):
            withheld.append(index)
    num_random = sum(demo.is_random for demo in demos)
    return LayoutAudit(
        own=nearest[False],
        random=nearest[True],
        num_own=len(demos) - num_random,
        num_random=num_random,
        withheld=tuple(withheld),
        untold=tuple(untold),
        refused_untold=tuple(index for index in untold if demos[index].is_random),
    )
