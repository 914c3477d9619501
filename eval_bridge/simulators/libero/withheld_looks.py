"""Which objects and looks may not be trained on. Pure functions of the table of what is withheld.

Withheld are classes of objects that only ``_object`` names, and recolourings and sizes of others that come near to its
own.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from eval_bridge.simulators.libero.suites import UnknownName
from eval_bridge.simulators.libero.withheld_table import Withheld, WithheldTable, load_withheld

NEAR_COLOUR = 15.0
"""CIE76: Euclidean distance of mean colours in L*a*b*."""

NEAR_SCALE = 0.10
"""Relative difference of sizes."""


def check_object_class(name: str, table: WithheldTable | None = None) -> None:
    """Accepts a class of objects or fixtures that may be put into a scene.

    Raises:
        UnknownName: neither LIBERO's suites nor the variants have it.
        Withheld: only ``_object`` has it.
    """
    table = table or load_withheld()
    if name in table.only_variants:
        raise Withheld(f"objects of the class {name!r} are in no scene of LIBERO, but in those of an _object variant")
    _require_class(table, name)


def withheld_classes(names: Iterable[str], table: WithheldTable | None = None) -> list[str]:
    """Why some classes may not be put into a scene, for each of these; empty if all may.

    Raises:
        UnknownName: neither LIBERO's suites nor the variants have one.
    """
    return withheld_reasons(partial(check_object_class, name, table) for name in names)


def withheld_reasons(checks: Iterable[Callable[[], None]]) -> list[str]:
    """What each of some checks says that finds something withheld."""
    found = []
    for check in checks:
        try:
            check()
        except Withheld as withheld:
            found.append(str(withheld))
    return found


def check_look(
    name: str,
    colour: NDArray[np.float64] | None = None,
    scale: float | None = None,
    table: WithheldTable | None = None,
) -> None:
    """Accepts a change of looks of objects of a class.

    Args:
        name: the class, of LIBERO's own suites.
        colour: mean colour after a recolouring, L*a*b* ``[3]`` (`surface_colour`); None if it was not recoloured.
        scale: how many times as large it was made; None if its size was not changed.
        table: another than the one that is checked in.

    Raises:
        UnknownName: LIBERO's suites have no such class.
        ValueError: the scale is no positive number, or the colour not three numbers.
        Withheld: it comes too near to what an ``_object`` variant has in its place.
    """
    table = table or load_withheld()
    _require_class(table, name)
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale = {scale} must be a positive number.")
    if colour is not None and (np.shape(colour) != (3,) or not np.isfinite(colour).all()):
        raise ValueError(f"colour = {colour} must be three numbers: L*, a*, b*.")
    distances = {} if colour is None else colour_distances(name, colour, table)
    for variant, apart in distances.items():
        if apart < NEAR_COLOUR:
            raise Withheld(
                f"this colour of {name!r} is {apart:.1f} (CIE76) from that of {variant!r}; keep {NEAR_COLOUR}"
            )
    for look in table.looks.get(name, ()):
        if scale is not None and look.scale is not None and abs(scale / look.scale - 1) < NEAR_SCALE:
            raise Withheld(
                f"{name!r} {scale:g} times as large is within {NEAR_SCALE:.0%} of {look.variant!r}, which is "
                f"{look.scale:g} times as large"
            )


def colour_distances(name: str, colour: NDArray[np.float64], table: WithheldTable | None = None) -> dict[str, float]:
    """How far a mean colour of objects of a class is from those that are withheld: class of a variant -> CIE76."""
    looks = (table or load_withheld()).looks.get(name, ())
    return {
        look.variant: float(np.linalg.norm(np.subtract(colour, look.colour)))
        for look in looks
        if look.colour is not None
    }


def _require_class(table: WithheldTable, name: str) -> None:
    if name not in table.classes:
        raise UnknownName("class of objects in LIBERO's suites", name, sorted(table.classes | table.only_variants))
