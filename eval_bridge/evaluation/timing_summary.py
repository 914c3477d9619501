"""What time did to an evaluation in which it passes, in numbers, computed from its log alone."""

from dataclasses import dataclass

import numpy as np

from eval_bridge.evaluation.episode_log import LogContents


@dataclass(frozen=True)
class TimingSummary:
    """What time did to the episodes of an evaluation in which it passes.

    Attributes:
        execution: how chunks were executed. delay: steps that a call took, or the profile that they were drawn from.
        delay_mean: steps that a call took on average; None without a record of it.
        action_age_mean: of all executed actions, steps since the observation that they were decided on; None where
            not every episode tells them, since nothing sets it apart from one in which the clock stands still.
        action_ages: actions executed at age 0, 1, ...
        holds: steps in which the robot held still. underruns: calls during which it did.
        steps: of all episodes, held ones included.
        source: of the profile; None without one.
    """

    execution: str
    delay: int | str
    delay_mean: float | None
    action_age_mean: float | None
    action_ages: tuple[int, ...]
    holds: int
    underruns: int
    steps: int
    source: str | None


def summarise_timing(log: LogContents) -> TimingSummary | None:
    """What time did to the episodes of a log; None where the clock stood still."""
    identity, records = log.identity or {}, list(log.episodes.values())
    if "execution" not in identity:
        return None
    timings = [record.rollout.timing for record in records]
    told = [timing for timing in timings if timing is not None]
    delays = [delay for timing in told for delay in timing.delays]
    ages = [age for timing in told for age in timing.ages if age is not None]
    return TimingSummary(
        execution=identity["execution"],
        delay=identity["delay"],
        delay_mean=float(np.mean(delays)) if delays else None,
        action_age_mean=float(np.mean(ages)) if ages and len(told) == len(records) else None,
        action_ages=tuple(np.bincount(ages).tolist()) if ages else (),
        holds=sum(timing.holds for timing in told),
        underruns=sum(timing.underruns for timing in told),
        steps=sum(record.rollout.steps for record in records),
        source=log.profile.source if log.profile else None,
    )


def describe_timing(timing: TimingSummary) -> str:
    """The line of a terminal that tells what time did."""
    age = "" if timing.action_age_mean is None else f", actions {timing.action_age_mean:.1f} steps old on average"
    return (
        f"time        {timing.execution}, delay {timing.delay}: {timing.holds} of {timing.steps} steps held in "
        f"{timing.underruns} calls{age}"
    )
