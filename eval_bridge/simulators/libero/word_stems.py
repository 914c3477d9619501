"""Words by which an instruction and the names of classes of things mean each other."""

import re

_SHORTEST = 3


def stems_of(text: str) -> frozenset[str]:
    """The words of an instruction or of a name, lower-case and singular, but for numbers and the shortest ones."""
    words = re.split(r"[_\s]+", text.lower())
    return frozenset(word.removesuffix("s") for word in words if len(word) >= _SHORTEST and not word.isdigit())
