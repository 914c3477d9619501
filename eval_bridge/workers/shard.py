"""One of the equal parts into which work is divided, for as many hosts."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

_Item = TypeVar("_Item")


class Shard(NamedTuple):
    """One of `parts` equal parts of some work; `part` counts from 0."""

    part: int = 0
    parts: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Reads ``0/4``, the first of four parts.

        Raises:
            ValueError: the text has another form, or the part does not exist.
        """
        numbers = text.split("/")
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            raise ValueError(f"shard={text!r} must read PART/PARTS, such as 0/4 for the first of four parts.")
        part, parts = map(int, numbers)
        if not part < parts:
            raise ValueError(f"shard={text!r}: of {parts} parts, the number must lie in 0 to {parts - 1}.")
        return cls(part, parts)

    def of(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """The neighbours among `items` that are in this part: each is in one, and parts differ by one item at most."""
        begin, end = (len(items) * boundary // self.parts for boundary in (self.part, self.part + 1))
        return items[begin:end]


WHOLE = Shard()
"""The only part of work that is not divided."""
