"""The report's section on speculative decoding."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from eval_bridge.episode_log import EpisodeRecord
from eval_bridge.report.charts import Bar
from eval_bridge.summary import Summary


class Speculation(NamedTuple):
    """Acceptance by layer, and how many chunks took how many rounds."""

    layers: list[Bar]
    rounds: list[Bar]


def speculation_section(summary: Summary, records: Sequence[EpisodeRecord]) -> Speculation | None:
    """The section; None for a decoder that drafts nothing."""
    if summary.token_acceptance is None:
        return None
    proposed = [sum(layer) for layer in zip(*(record.proposed for record in records), strict=True)]
    layers = [
        Bar(f"L{layer}", "never drafted" if rate is None else f"{100 * rate:.1f} %", 100 * (rate or 0.0), f"{count:,}")
        for layer, (rate, count) in enumerate(zip(summary.layer_acceptance, proposed, strict=True))
    ]
    return Speculation(layers, _round_bars(records))


def _round_bars(records: Sequence[EpisodeRecord]) -> list[Bar]:
    counts = Counter(value for record in records for value in record.rounds if value)
    total, highest = sum(counts.values()), max(counts.values(), default=0)
    spread = range(min(counts), max(counts) + 1) if counts else range(0)
    return [
        Bar(
            str(value),
            f"{100 * counts[value] / total:.0f} %",
            100 * counts[value] / highest,
            f"{counts[value]} chunks",
        )
        for value in spread
    ]
