"""What a demonstration file itself tells about its scene, without a simulator: the goal, and where things stood."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_COORDINATES = {"free": 7, "ball": 4, "slide": 1, "hinge": 1}
_BLANK_OR_PAREN = re.compile(r"[()\s]+")


def goal_names(bddl: str) -> tuple[str, ...]:
    """Everything that the goal of a task definition names, predicates included, in order; empty without a goal."""
    _, found, rest = bddl.partition("(:goal")
    return tuple(dict.fromkeys(word for word in _BLANK_OR_PAREN.split(rest) if word)) if found else ()


def item_addresses(model_xml: str, names: Sequence[str]) -> dict[str, int]:
    """Where in a flattened state the positions of movable things begin; of `names`, those that the scene can move.

    A flattened state is the time, then the coordinates of all joints in the order of the scene's definition, then the
    velocities.

    Args:
        model_xml: the compiled scene in MuJoCo's format.
        names: of things; a movable one has a free joint whose name begins with its own.

    Raises:
        ValueError: the scene is no XML.
    """
    try:
        root = ElementTree.fromstring(model_xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"model_xml is no XML ({error}); it is what a demonstration stores as model_file.") from error
    addresses: dict[str, int] = {}
    address = 1  # behind the time
    for body in root.iter("worldbody"):
        for joint in body.iter():
            if joint.tag not in ("joint", "freejoint"):
                continue
            kind = "free" if joint.tag == "freejoint" else joint.get("type", "hinge")
            if kind == "free":
                owner = joint.get("name", "").rpartition("_joint")[0]
                addresses[owner] = address
            address += _COORDINATES[kind]
    return {name: addresses[name] for name in names if name in addresses}


def positions_at(state: NDArray[np.float64], addresses: dict[str, int]) -> dict[str, NDArray[np.float64]]:
    """Positions ``[3]`` of the things of `item_addresses` in a flattened state ``[S]``, metres."""
    return {name: state[address : address + 3] for name, address in addresses.items()}
