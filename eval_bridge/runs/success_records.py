"""Successes of evaluations as results files hold them, pooled over runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.comparison import compare_folders
from eval_bridge.statistics.intervals import wilson_interval
from eval_bridge.statistics.paired import PairedCounts, bootstrap_difference, mcnemar_p_value

Record = dict[str, Any]


def success_record(successes: int, episodes: int) -> Record:
    """Successes with their rate and its 95 % interval (Wilson)."""
    return {
        "successes": successes,
        "episodes": episodes,
        "success_rate": successes / episodes,
        "interval": list(wilson_interval(successes, episodes)),
    }


def paired_record(against: str, folders: Sequence[tuple[Path, Path]]) -> Record:
    """Two policies compared on the same starts, over all pairs of their evaluations.

    ``b`` counts episodes that the first of a pair alone solved, ``c`` those that the second alone did; the difference
    of their success rates is positive where the second is better.

    Args:
        against: name of the first of each pair.
        folders: of the evaluations.

    Raises:
        ComparisonError: two of a pair cannot be compared.
    """
    per_task: list[PairedCounts] = []
    for first, second in folders:
        per_task += [task.counts for task in compare_folders(first, second).per_task]
    counts = PairedCounts(*(sum(column) for column in zip(*per_task, strict=True)))
    return {
        "against": against,
        "episodes": counts.episodes,
        "b": counts.first_only,
        "c": counts.second_only,
        "difference": counts.difference,
        "interval": list(bootstrap_difference(per_task)),
        "p_value": mcnemar_p_value(counts.first_only, counts.second_only),
    }


def write_difference(paired: Record | None) -> list[str]:
    """The difference with its interval and counts, and the p-value, as cells of a table; dashes for None."""
    if paired is None:
        return ["-", "-"]
    low, high = (100 * bound for bound in paired["interval"])
    difference = f"{100 * paired['difference']:+.1f} ({low:+.1f} to {high:+.1f}), b={paired['b']} c={paired['c']}"
    return [difference, f"{paired['p_value']:.2g}"]
