"""How things looked in the demonstrations of a task, counted."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eval_bridge.report.collection.layout_counts import most_common


class LookCounts(NamedTuple):
    """Looks of the demonstrations of a task.

    Attributes:
        demos: with looks of their own.
        recoloured: class of things, or surface of the room -> number of demonstrations, the most frequent first.
        images: texture that a surface got -> likewise.
        refused: why a look was drawn again -> how often, over all attempts.
    """

    demos: int
    recoloured: dict[str, int]
    images: dict[str, int]
    refused: dict[str, int]


def count_looks(looks: Sequence[Mapping[str, Any]], refused: Mapping[str, int]) -> LookCounts | None:
    """Counts `EpisodeStart.looks` of every demonstration, empty for the task's own; None if all have those."""
    if not any(looks) and not refused:
        return None
    parts = [item for look in looks for kind in ("things", "surfaces") for item in look.get(kind, {}).items()]
    return LookCounts(
        demos=sum(bool(look) for look in looks),
        recoloured=most_common(name for name, part in parts if part.get("recolouring")),
        images=most_common(part["image"] for _, part in parts if part.get("image")),
        refused=dict(refused),
    )
