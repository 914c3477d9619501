"""The report's section on speculative decoding."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from eval_bridge.episodes.acceptance import Rates, total_acceptance
from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.evaluation.summary import Summary
from eval_bridge.report.charts import Bar

_LEAST_FULL_SHARE = 0.05
_STRONGEST = 60.0  # Percent of the colour at most, so that figures stay legible on it.


class Cell(NamedTuple):
    """A figure, empty where nothing was drafted, and how strongly its place is coloured, in percent."""

    text: str
    percent: float


class HeatRow(NamedTuple):
    """A layer's cells, and the one of all its digits together; or those of all layers together."""

    label: str
    cells: list[Cell]


class HeatTable(NamedTuple):
    """Acceptance by layer and latent dimension; `full` is the rejected share at which the colour is strongest."""

    columns: list[str]
    rows: list[HeatRow]
    full: str


class Speculation(NamedTuple):
    """Acceptance by layer, by digit and by whole layer, and how many chunks took how many rounds.

    `first_run`: how many chunks could have kept how many whole layers of their first draft.
    """

    layers: list[Bar]
    rounds: list[Bar]
    heat: HeatTable
    whole_layers: list[Bar]
    first_run: list[Bar]


def speculation_section(summary: Summary, records: Sequence[EpisodeRecord]) -> Speculation | None:
    """The section; None for a decoder that drafts nothing."""
    if summary.token_acceptance is None:
        return None
    counts = total_acceptance([record.rollout.acceptance for record in records])
    rounds = Counter(value for record in records for value in record.rollout.rounds if value)
    return Speculation(
        layers=_layer_bars(summary.layer_acceptance, [sum(layer) for layer in counts.proposed]),
        rounds=_share_bars({value: rounds[value] for value in range(min(rounds), max(rounds) + 1)} if rounds else {}),
        heat=heat_table(summary),
        whole_layers=_layer_bars(summary.whole_layer_acceptance, counts.drafted_layers),
        first_run=_share_bars(dict(enumerate(summary.first_run))),
    )


def heat_table(summary: Summary) -> HeatTable:
    """The rejected share as colour: acceptances differ by little, rejections by much.

    The colour is at its strongest in the worst cell, but nowhere below 5 % rejected.
    """
    digits, layers, columns = summary.digit_acceptance, summary.layer_acceptance, summary.column_acceptance
    full = max([_LEAST_FULL_SHARE, *(1 - rate for layer in digits for rate in layer if rate is not None)])
    rows = {f"L{index}": (*rates, layers[index]) for index, rates in enumerate(digits)}
    rows["all"] = (*columns, summary.token_acceptance)
    return HeatTable(
        columns=[*(f"D{index}" for index in range(len(columns))), "all"],
        rows=[HeatRow(label, [_cell(rate, full) for rate in rates]) for label, rates in rows.items()],
        full=f"{100 * full:.0f} %",
    )


def _cell(rate: float | None, full: float) -> Cell:
    return Cell("", 0.0) if rate is None else Cell(f"{100 * rate:.1f}", _STRONGEST * (1 - rate) / full)


def _layer_bars(rates: Rates, counts: Sequence[int]) -> list[Bar]:
    return [
        Bar(f"L{layer}", "never drafted" if rate is None else f"{100 * rate:.1f} %", 100 * (rate or 0.0), f"{count:,}")
        for layer, (rate, count) in enumerate(zip(rates, counts, strict=True))
    ]


def _share_bars(chunks: Mapping[int, int]) -> list[Bar]:
    """Numbers of chunks by what they have in common, as shares of all chunks; the longest bar is the most frequent."""
    total, highest = sum(chunks.values()), max(chunks.values(), default=0)
    return [
        Bar(str(value), f"{100 * count / total:.0f} %", 100 * count / highest, f"{count} chunks")
        for value, count in chunks.items()
    ]
