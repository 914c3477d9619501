"""Success over delay as cells of a table, for a page, a document and a terminal."""

from collections.abc import Mapping
from typing import Any

MISSING = "-"

COLUMNS = ("execution", "delay", "decoder", "suite", "success", "95 %", "action age", "holds", "underruns")


def cells(row: Mapping[str, Any]) -> list[str]:
    """The cells of a row of ``results/delay.json``, in the order of `COLUMNS`; held steps and underruns an episode."""
    low, high = (100 * bound for bound in row["interval"])
    age = row["action_age_mean"]
    return [
        row["execution"],
        delay_text(row),
        row["decoder"],
        row["suite"],
        f"{row['successes']} of {row['episodes']}",
        f"{low:.1f} to {high:.1f} %",
        MISSING if age is None else f"{age:.2f}",
        f"{row['holds'] / row['episodes']:.1f}",
        f"{row['underruns'] / row['episodes']:.1f}",
    ]


def delay_text(row: Mapping[str, Any]) -> str:
    """Steps that a call took, with the profile that they were drawn from."""
    if row["delay"] is None:
        return MISSING if row["profile"] is None else row["profile"]
    return f"{row['delay']:g}" if row["profile"] is None else f"{row['profile']} ({row['delay']:.2f})"
