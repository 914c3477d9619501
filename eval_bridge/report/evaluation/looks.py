"""The report's section on a cascade: how often and where in an episode the main backbone was needed."""

from collections.abc import Sequence
from typing import NamedTuple

from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.evaluation.summary import Summary
from eval_bridge.report.charts import Bar, Strip, Tick, ticks
from rsd_jax.actions.conventions import LIBERO

_PARTS = 10


class Looks(NamedTuple):
    """Shares of calls that looked, by part of the episode and by task, and one episode of each task call by call."""

    skipped: str
    by_part: list[Bar]
    by_task: list[Bar]
    episodes: list[Strip]
    axis: tuple[Tick, ...]


def looks_section(summary: Summary, records: Sequence[EpisodeRecord]) -> Looks | None:
    """The section; None for a decoder that always looks."""
    if summary.skipped is None or not records:
        return None
    parts: list[list[bool]] = [[] for _ in range(_PARTS)]
    tasks: dict[int, list[bool]] = {}
    for record in records:
        looked = _looked(record)
        for call, each in enumerate(looked):
            parts[_PARTS * call // len(looked)].append(each)
        tasks.setdefault(record.task_index, []).extend(looked)
    first = {record.task_index: record for record in reversed(records)}
    longest = max(record.rollout.steps for record in first.values()) / LIBERO.control_rate
    return Looks(
        skipped=f"{100 * summary.skipped:.1f} %",
        by_part=[
            _bar(f"{100 * part // _PARTS} to {100 * (part + 1) // _PARTS} %", looked)
            for part, looked in enumerate(parts)
            if looked
        ],
        by_task=[_bar(f"task {task}", looked) for task, looked in sorted(tasks.items())],
        episodes=[_strip(record, longest) for _, record in sorted(first.items())],
        axis=ticks(longest, unit=" s"),
    )


def _looked(record: EpisodeRecord) -> Sequence[bool]:
    """Call by call; a record that tells nothing is of an episode that always looked."""
    return record.rollout.looked or (True,) * len(record.rollout.rounds)


def _bar(label: str, looked: Sequence[bool]) -> Bar:
    share = 100 * sum(looked) / len(looked)
    return Bar(label, f"{share:.0f} %", share, f"{len(looked):,} calls")


def _strip(record: EpisodeRecord, longest: float) -> Strip:
    """A dot for each look, at the time of its call: calls are a chunk's steps apart."""
    looked = _looked(record)
    seconds_a_call = record.rollout.steps / len(looked) / LIBERO.control_rate
    percents = tuple(100 * call * seconds_a_call / longest for call, looks in enumerate(looked) if looks)
    success = "good" if record.rollout.success else "bad"
    label = f"task {record.task_index}, episode {record.episode}"
    return Strip(label, f"{len(percents)} of {len(looked)}", percents, success)
