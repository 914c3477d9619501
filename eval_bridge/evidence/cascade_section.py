"""The section about a run's cascades: a line for each evaluation, and what it means."""

from pathlib import Path

from eval_bridge.evidence.figures_in_words import describe_source, write_success
from eval_bridge.policies.fitted_settings import Facts
from eval_bridge.report.markdown import markdown_table
from eval_bridge.statistics.intervals import Interval


def describe(record: Facts, results: Path, document: Path) -> str:
    """The section of `document`: the table, how to read it, and where its figures come from.

    Args:
        record: content of the file `results` (`eval_bridge.evidence.cascade_record`).
        results: the file.
        document: that holds the section.
    """
    full = record["full"]
    header = [
        *("rule", "settings", "named before", "success", f"minus `{full['decoder']}`", "skipped"),
        *("risk at alpha, epsilon", "mean chunk, full / cascade"),
    ]
    rows = [
        [f"`{full['decoder']}`", "", "", _success(full), "", "", "", ""],
        *(_line(row, full["decoder"]) for row in record["rows"]),
    ]
    source = describe_source(record["device"], dict(record["versions"]), results, document, "record_cascade")
    return f"{markdown_table(header, rows)}\n\n{NOTE.format(suite=full['suite'])} {source}"


NOTE = (
    "Evaluation states of {suite}. Success with Wilson intervals; differences in points on the same starts with "
    "bootstrap intervals; risk as the mean over the checking episodes; all intervals 95 %. Mean chunks are of whole "
    "episodes, shown again to both policies in turns, batch 1, on the device told. What was named before stands in "
    "the pipeline's configuration; the others stand beside it."
)


def _line(row: Facts, full_decoder: str) -> list[str]:
    settings = row["settings"].partition(" ")[2]  # the rule has a column of its own
    named = "yes" if row["named_before"] else "no"
    return [
        f"`{row['rule']}`",
        f"`{settings}`",
        named,
        _success(row),
        _difference(row["paired"]),
        f"{row['skipped']:.1%}",
        _risk(row),
        _times(row["times"], full_decoder),
    ]


def _success(row: Facts) -> str:
    return write_success(row["successes"], row["episodes"], Interval(*row["interval"]), digits=1)


def _difference(paired: Facts) -> str:
    low, high = (100 * paired["interval"][end] for end in ("low", "high"))
    warnings = "".join(f"; {text}" for text in paired["warnings"])
    return f"{100 * paired['difference']:+.1f} ({low:+.1f} to {high:+.1f}){warnings}"


def _risk(row: Facts) -> str:
    if row["alpha"] is None:
        return "-"
    at = f"at {row['alpha']:g}, {row['epsilon']:g}"
    if row["risk"] is None:
        return f"not checked, {at}"
    low, high = row["risk_interval"]
    return f"{row['risk']:.3f} ({low:.3f} to {high:.3f}) {at}, {row['checked_episodes']} episodes"


def _times(times: list[Facts], full_decoder: str) -> str:
    cells = [
        f"{each['chunk_ms_mean_full']:.1f}{_beside(each, full_decoder)} / {each['chunk_ms_mean']:.1f} ms = "
        f"**{each['full_over_cascade']:.2f}**, {each['device']}"
        for each in times
    ]
    return "; ".join(cells) or "-"


def _beside(times: Facts, full_decoder: str) -> str:
    """The decoder that was timed, where it is not the one that was evaluated."""
    timed = times["full_decoder"]
    return "" if timed == full_decoder else f" (`{timed}`)"
