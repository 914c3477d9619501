"""The one function that measures how long calls take."""

import random
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import jax
import numpy as np

from eval_bridge.policies.interface import FUSED_STAGE, PIPELINE_STAGES

SUM_OF_STAGES = "sum_of_stages"
"""Name under which the stages' sum is listed, beside the fused call."""

Name = TypeVar("Name")


class Latency(NamedTuple):
    """Percentiles of a call's duration in milliseconds."""

    p50: float
    p90: float
    p99: float


def measure_interleaved(
    calls: Mapping[Name, Callable[[], object]],
    repeats: int = 100,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    calls_a_turn: int = 1,
) -> dict[Name, Latency]:
    """Times several calls in one go, each time until the result exists: all have a turn, then all have another.

    JAX returns before a computation has run, so every result is waited for. A machine that slows down meanwhile does
    so for all calls alike; and every round has an order of its own, so that no call always runs behind the same one,
    which leaves the cache full of what it read.

    Args:
        calls: take nothing; return arrays, or anything that is already on the host.
        repeats: rounds that are timed.
        warm_up: rounds before those, which are dropped: the first compiles.
        clock: seconds, monotonic.
        calls_a_turn: how often a call is made in its turn. One meets the caches as another program left them, as it
            does between two steps of a simulator; of several the first is dropped, and the others meet them warm.

    Raises:
        ValueError: `repeats`, `warm_up` or `calls_a_turn` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats} must be at least 1; 100 gives a usable 99th percentile.")
    if warm_up < 1:
        raise ValueError(f"warm_up={warm_up} must be at least 1: the first call compiles.")
    if calls_a_turn < 1:
        raise ValueError(f"calls_a_turn={calls_a_turn} must be at least 1.")
    milliseconds: dict[Name, list[float]] = {name: [] for name in calls}
    order, shuffle = list(calls), random.Random(0).shuffle
    for number in range(warm_up + repeats):
        shuffle(order)
        for name in order:
            call, times = calls[name], []
            for _ in range(calls_a_turn):
                started = clock()
                jax.block_until_ready(call())
                times.append(1e3 * (clock() - started))
            if number >= warm_up:
                milliseconds[name] += times[1:] or times
    return {
        name: Latency(*(float(value) for value in np.percentile(times, (50, 90, 99))))
        for name, times in milliseconds.items()
    }


def time_calls(
    call: Callable[[], object], repeats: int, warm_up: int = 1, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, ...]:
    """Seconds of so many calls of one function, each until its result exists, behind some that are dropped.

    Raises:
        ValueError: `repeats` or `warm_up` is below 1.
    """
    if min(repeats, warm_up) < 1:
        raise ValueError(f"repeats={repeats} and warm_up={warm_up} must be at least 1: the first call compiles.")
    seconds = []
    for _ in range(warm_up + repeats):
        started = clock()
        jax.block_until_ready(call())
        seconds.append(clock() - started)
    return tuple(seconds[warm_up:])


def measure_stages(calls: Mapping[str, Callable[[], object]], repeats: int = 100) -> dict[str, Latency]:
    """Latency of every call of `Policy.stage_functions`, and the sum of the pipeline's stages.

    Raises:
        ValueError: if the fused call is missing.
    """
    if FUSED_STAGE not in calls:
        raise ValueError(f"calls has no {FUSED_STAGE!r}, the deployed call; it has {', '.join(calls) or 'none'}.")
    return with_sum(measure_interleaved(calls, repeats))


def with_sum(latencies: Mapping[str, Latency]) -> dict[str, Latency]:
    """`latencies` and the sum of the pipeline's stages among them.

    Percentiles do not add up, so the sum's are an indication; it is there to show what fusing saves.
    """
    parts = [latencies[name] for name in PIPELINE_STAGES if name in latencies]
    if not parts:
        return dict(latencies)
    return {**latencies, SUM_OF_STAGES: Latency(*(sum(values) for values in zip(*parts, strict=True)))}
