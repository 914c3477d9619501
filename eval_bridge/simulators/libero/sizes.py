"""Sizes of things: all of a class in a compiled scene so many times as large as LIBERO has them."""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np

from eval_bridge.simulators.libero.object_makers import other_makers
from eval_bridge.simulators.libero.task_streams import TaskStream, task_generator
from eval_bridge.simulators.libero.withheld_looks import check_look, withheld_reasons

RIMMED = frozenset(
    {
        "akita_black_bowl",
        "glazed_rim_porcelain_ramekin",
        "plate",
        "porcelain_mug",
        "red_coffee_mug",
        "white_bowl",
        "white_yellow_mug",
    }
)
"""Classes that are taken by their rim, or pushed: those may be larger than the hand opens."""

LARGEST_ELSEWHERE = 1.1
"""Of things that the hand must get around."""

_LENGTHS = {"geom": ("pos", "size"), "site": ("pos", "size"), "body": ("pos",), "mesh": ("scale",)}
"""What of an object's model grows with it; its mass does by its density."""

_DRAWS = 10
_TOLD = re.compile(r"^; size (\w+) ([\d.]+)$", re.MULTILINE)
_DECIMALS = 3


def choose_sizes(
    suite: str, task: str, kinds: Iterable[str], probability: float, smallest: float, largest: float, seed: int
) -> dict[str, float]:
    """Draws how large things are in a task's scene in a run: class -> factor, of those that have another size.

    Sizes that are withheld for LIBERO-PRO are drawn again; after some draws a class keeps its own.

    Args:
        suite: of LIBERO itself.
        task: name of the task.
        kinds: classes of the scene's movable things.
        probability: of each class, that it has another size.
        smallest, largest: factors between which it lies.
        seed: of the run; another run's scenes have others.
    """
    generator = task_generator(seed, TaskStream.SIZES, suite, task)
    found = {}
    for kind in sorted(kinds):
        limit = largest if kind in RIMMED else min(largest, LARGEST_ELSEWHERE)
        is_drawn = generator.random() < probability
        factors = np.round(generator.uniform(smallest, max(limit, smallest), _DRAWS), _DECIMALS).tolist()
        allowed = [factor for factor in factors if not withheld_sizes({kind: factor})]
        if is_drawn and allowed:
            found[kind] = allowed[0]
    return found


def definition_with_sizes(definition: str, sizes: Mapping[str, float]) -> str:
    """A task's definition (BDDL) that tells sizes, in comments."""
    return "".join(f"; size {kind} {factor}\n" for kind, factor in sorted(sizes.items())) + definition


def sizes_in(definition: str) -> dict[str, float]:
    """The sizes that `definition_with_sizes` has put into a definition."""
    return {kind: float(factor) for kind, factor in _TOLD.findall(definition)}


def resized(sizes: Mapping[str, float]) -> AbstractContextManager[None]:
    """A block in which LIBERO makes things of some classes so many times as large."""
    return other_makers(lambda own: {kind: partial(_make, own[kind], factor) for kind, factor in sizes.items()})


def withheld_sizes(sizes: Mapping[str, float]) -> list[str]:
    """Why things of some classes may not be so large, for each of these; empty if all may."""
    return withheld_reasons(partial(check_look, kind, scale=factor) for kind, factor in sorted(sizes.items()))


def _make(make: Any, factor: float, *arguments: Any, **named: Any) -> Any:
    made = make(*arguments, **named)
    for part in (made.worldbody, made._obj, made.asset):  # of which no element is in two
        _enlarge(part, factor)
    return made


def _enlarge(root: Element, factor: float) -> None:
    for element in root.iter():
        if element.tag == "mesh":
            element.set("scale", element.get("scale", "1 1 1"))
        for name in _LENGTHS.get(element.tag, ()):
            if (told := element.get(name)) is not None:
                element.set(name, " ".join(repr(factor * float(number)) for number in told.split()))
