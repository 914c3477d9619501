"""How LIBERO makes things of a class, for the time in which a scene is compiled."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from eval_bridge.simulators.libero.quiet_import import import_libero

Makers = Mapping[str, Callable[..., Any]]
"""Class -> what makes a thing of it."""


@contextmanager
def other_makers(choose: Callable[[Makers], Makers]) -> Iterator[None]:
    """A block in which things of some classes are made by what `choose` gives for them, seeing all present makers."""
    import_libero()
    from libero.libero.envs.base_object import OBJECTS_DICT

    own = dict(OBJECTS_DICT)
    OBJECTS_DICT.update(choose(own))
    try:
        yield
    finally:
        OBJECTS_DICT.update(own)
