"""The one function that measures how long a call takes."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from eval_bridge.policies.interface import FUSED_STAGE, PIPELINE_STAGES

SUM_OF_STAGES = "sum_of_stages"
"""Name under which the stages' sum is listed, beside the fused call."""


class Latency(NamedTuple):
    """Percentiles of a call's duration in milliseconds."""

    p50: float
    p90: float
    p99: float


def measure_latency(
    call: Callable[[], object], repeats: int = 100, clock: Callable[[], float] = time.perf_counter
) -> Latency:
    """Times `call`, each time until its result exists.

    JAX returns before a computation has run, so every result is waited for. The first call compiles and is dropped.

    Args:
        call: takes nothing; returns arrays, or anything that is already on the host.
        repeats: timed calls, after the one that is dropped.
        clock: seconds, monotonic.

    Raises:
        ValueError: if `repeats` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats} must be at least 1; 100 gives a usable 99th percentile.")
    jax.block_until_ready(call())
    milliseconds = []
    for _ in range(repeats):
        started = clock()
        jax.block_until_ready(call())
        milliseconds.append(1e3 * (clock() - started))
    return Latency(*(float(value) for value in np.percentile(milliseconds, (50, 90, 99))))


def measure_stages(calls: Mapping[str, Callable[[], object]], repeats: int = 100) -> dict[str, Latency]:
    """Latency of every call of `Policy.stage_functions`, and the sum of the pipeline's stages.

    Percentiles do not add up, so the sum's are an indication; it is there to show what fusing saves.

    Raises:
        ValueError: if the fused call is missing.
    """
    if FUSED_STAGE not in calls:
        raise ValueError(f"calls has no {FUSED_STAGE!r}, the deployed call; it has {', '.join(calls) or 'none'}.")
    latencies = {name: measure_latency(call, repeats) for name, call in calls.items()}
    parts = [latencies[name] for name in PIPELINE_STAGES if name in latencies]
    if parts:
        latencies[SUM_OF_STAGES] = Latency(*(sum(values) for values in zip(*parts, strict=True)))
    return latencies
