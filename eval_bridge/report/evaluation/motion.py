"""The report's section on motion: smoothness, chunk borders, the gripper."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from eval_bridge.analysis.episode import EpisodeAnalysis
from eval_bridge.analysis.gripper_events import Outcome
from eval_bridge.analysis.smoothness import Smoothness
from eval_bridge.analysis.suite import Spread, SuiteAnalysis
from eval_bridge.report.charts import Bar, Column, Strip, Tick, ticks

MISSING = "\N{EN DASH}"
_LABELLED_COLUMNS = 12  # More have no room for a number each.
_MOST_CLOSINGS = 5

_Measure = Callable[[EpisodeAnalysis], float | None]


class Row(NamedTuple):
    """A measure: its name and unit, and its spread over successes and over failures, each as two lines of text."""

    name: str
    unit: str
    successes: tuple[str, str]
    failures: tuple[str, str]


class Motion(NamedTuple):
    """What the section shows.

    Attributes:
        episodes: with a trace.
        smoothness, borders: tables.
        jerk: the hand's mean jerk in every episode, successes and failures. jerk_ticks: their axis.
        jumps: the command's jump by place in the chunk; the border first.
        overlaps: whether chunks overlap, so that plans can disagree.
        closings: by what came of them. closings_per_episode: how many episodes had how many.
        switches, switches_at_borders: of the gripper's command, in all episodes.
    """

    episodes: int
    smoothness: list[Row]
    borders: list[Row]
    jerk: list[Strip]
    jerk_ticks: tuple[Tick, ...]
    jumps: list[Column]
    overlaps: bool
    closings: list[Bar]
    closings_per_episode: list[Bar]
    switches: int
    switches_at_borders: int


def motion_section(analysis: SuiteAnalysis | None) -> Motion | None:
    """The section; None without traces."""
    if analysis is None:
        return None
    every = list(analysis.episodes.values())
    jerks = [each.smoothness.hand_jerk_mean for each in every if each.smoothness]
    highest = 1.05 * max(jerks, default=0.0) or 1.0
    return Motion(
        episodes=len(every),
        smoothness=[
            _row(analysis, "Hand, mean jerk", "m/s³", _smoothness(lambda found: found.hand_jerk_mean)),
            _row(analysis, "Hand, 95th percentile", "m/s³", _smoothness(lambda found: found.hand_jerk_p95)),
            _row(analysis, "Hand, log dimensionless", "higher: smoother", _smoothness(_log_dimensionless)),
            _row(analysis, "Command, translation", "units/s³", _smoothness(lambda found: found.translation_jerk)),
            _row(analysis, "Command, rotation", "units/s³", _smoothness(lambda found: found.rotation_jerk)),
        ],
        borders=[
            _row(analysis, "Jump at borders", "units", lambda each: each.borders.border_jump),
            _row(analysis, "Jump inside chunks", "units", lambda each: each.borders.inside_jump),
            _row(analysis, "Their ratio", "1: no border seen", lambda each: each.borders.jump_ratio),
            _row(analysis, "Bend at borders", "units", lambda each: each.borders.border_bend),
            _row(analysis, "Bend inside chunks", "units", lambda each: each.borders.inside_bend),
            _row(analysis, "Disagreement of plans", "units", lambda each: each.borders.disagreement),
        ],
        jerk=[_jerk_strip(every, "successes", True, highest), _jerk_strip(every, "failures", False, highest)],
        jerk_ticks=ticks(highest),
        jumps=_jump_columns(analysis.jump_by_position()),
        overlaps=any(each.borders.overlapping_steps for each in every),
        closings=_closing_bars(analysis.closings()),
        closings_per_episode=_closings_per_episode(every),
        switches=sum(each.borders.gripper_switches for each in every),
        switches_at_borders=sum(each.borders.switches_at_borders for each in every),
    )


def _smoothness(measure: Callable[[Smoothness], float | None]) -> _Measure:
    return lambda each: measure(each.smoothness) if each.smoothness else None


def _log_dimensionless(found: Smoothness) -> float | None:
    return found.log_dimensionless_jerk


def _row(analysis: SuiteAnalysis, name: str, unit: str, measure: _Measure) -> Row:
    return Row(name, unit, _text(analysis.spread(measure, True)), _text(analysis.spread(measure, False)))


def _text(spread: Spread | None) -> tuple[str, str]:
    if spread is None:
        return MISSING, ""
    return _number(spread.median), f"{_number(spread.low)} to {_number(spread.high)}"


def _number(value: float) -> str:
    """Three digits that count, without powers of ten."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def _jerk_strip(every: list[EpisodeAnalysis], label: str, success: bool, highest: float) -> Strip:
    chosen = [each.smoothness.hand_jerk_mean for each in every if each.success == success and each.smoothness]
    percents = tuple(100 * value / highest for value in chosen)
    return Strip(label, str(len(chosen)), percents, "good" if success else "bad")


def _jump_columns(jumps: tuple[float | None, ...]) -> list[Column]:
    highest = max((jump for jump in jumps if jump is not None), default=0.0) or 1.0
    has_room = len(jumps) <= _LABELLED_COLUMNS
    return [
        Column(
            label="border" if place == 0 else str(place) if has_room or place % 5 == 0 else "",
            text=(MISSING if jump is None else f"{jump:.2f}") if has_room else "",
            percent=100 * (jump or 0.0) / highest,
            is_special=place == 0,
        )
        for place, jump in enumerate(jumps)
    ]


def _closing_bars(closings: dict[Outcome, int]) -> list[Bar]:
    total = sum(closings.values())
    return [
        Bar(outcome.value, f"{count:,}", 100 * count / total, f"{100 * count / total:.0f} %")
        for outcome, count in closings.items()
        if total
    ]


def _closings_per_episode(every: list[EpisodeAnalysis]) -> list[Bar]:
    numbers = [min(sum(event.is_closing for event in each.gripper), _MOST_CLOSINGS) for each in every]
    counts, highest = Counter(numbers), max(Counter(numbers).values())
    return [
        Bar(
            f"{number} or more" if number == _MOST_CLOSINGS else str(number),
            f"{100 * counts[number] / len(every):.0f} %",
            100 * counts[number] / highest,
            f"{counts[number]} episodes" if counts[number] != 1 else "1 episode",
        )
        for number in range(max(numbers) + 1)
    ]
