"""In which layouts of its scene a task was demonstrated, counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

OWN = "the task's own"


class LayoutCounts(NamedTuple):
    """Layouts of the demonstrations of a task.

    Attributes:
        rules: by which the words stay true, or `OWN` -> number of demonstrations, the most frequent first.
        exchanged, moved, removed: thing -> number of demonstrations, likewise.
        refused: why a layout was drawn again -> how often, over all attempts.
    """

    rules: dict[str, int]
    exchanged: dict[str, int]
    moved: dict[str, int]
    removed: dict[str, int]
    refused: dict[str, int]


def count_layouts(layouts: Sequence[Mapping[str, Any]], refused: Mapping[str, int]) -> LayoutCounts | None:
    """Counts `DrawnStart.layout` of every demonstration; None if all have the task's own layout."""
    if not any(layouts) and not refused:
        return None
    return LayoutCounts(
        rules=most_common(layout.get("rule", OWN) for layout in layouts),
        exchanged=most_common(name for layout in layouts for pair in layout.get("exchanged", ()) for name in pair),
        moved=most_common(name for layout in layouts for name in layout.get("moved", ())),
        removed=most_common(name for layout in layouts for name in layout.get("removed", ())),
        refused=dict(refused),
    )


def most_common(names: Iterable[str]) -> dict[str, int]:
    """Name -> how often it is there, the most frequent first."""
    return dict(Counter(map(str, names)).most_common())
