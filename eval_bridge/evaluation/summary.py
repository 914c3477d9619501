"""``summary.json``: an evaluation in numbers, computed from its log alone."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval_bridge.episodes.acceptance import total_acceptance
from eval_bridge.evaluation.episode_log import LogContents
from eval_bridge.evaluation.folder import RANDOM, WEIGHTS
from eval_bridge.evaluation.perturbation_summary import (
    PerturbationSummary,
    describe_perturbation,
    summarise_perturbation,
)
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.evaluation.timing_summary import TimingSummary, describe_timing, summarise_timing
from eval_bridge.policies.cascade import CASCADE
from eval_bridge.policies.early_exit import EARLY_EXIT
from eval_bridge.policies.latency import Latency
from eval_bridge.statistics.intervals import Interval, wilson_interval
from rsd_jax.content_check import write_checked_json
from rsd_jax.stored_models.random_weights import RANDOM_WEIGHTS, in_red

CHANGED_PROTOCOL = frozenset({"timing", "perturbation"})
"""What a summary tells only where the evaluation was not by the ordinary protocol: time passed, or things moved."""


@dataclass(frozen=True)
class TaskSummary:
    """Success on one task. `errors`: episodes that crashed and have no result; they are in no other number."""

    task: str
    task_index: int
    episodes: int
    successes: int
    errors: int
    success_rate: float | None
    success_interval: Interval


@dataclass(frozen=True)
class Summary:
    """An evaluation in numbers.

    Attributes:
        suite, simulator, decoder, seed, step_limit: what was evaluated, and how.
        decoder_settings: ``NAME=VALUE`` of the decoder, in order; those that are left out have their defaults.
        tasks: names of the tasks with a result or an error.
        planned: episodes that this evaluation consists of; it is complete when `episodes` reaches it.
        episodes: with a result. successes: of these. errors: crashed without a result so far.
        crashed_attempts: crashes in all, those included whose episode succeeded or failed when it was run again.
        success_rate: successes / episodes. success_interval: Wilson, 95 %.
        per_task: the same by task.
        token_acceptance: draft tokens accepted / proposed, informative digits only; None where nothing was proposed.
        layer_acceptance: the same by layer. column_acceptance: the same by latent dimension, over layers.
        digit_acceptance: the same by layer and latent dimension.
        whole_layer_acceptance: by layer, the share of chunks in which every token drafted for it was accepted
            (`eval_bridge.episodes.acceptance` says what that tells about deciding on whole layers, and what not).
        first_run: chunks by the number of leading layers, 0 to K, that all columns accepted in the first round.
        rounds_mean: passes of the main head a chunk. chunks: chunks decided on.
        skipped: share of the chunks for which the main backbone was not needed; None without a cascade.
        steps_mean: mean steps of the successful episodes.
        latency_ms: by stage (`eval_bridge.policies.interface`), and the sum of the pipeline's stages.
        device, versions, commit: of the last session. commits: all, in order, if the log has sessions of several.
        seconds: wall time of all episodes together.
        timing: where time passed while the policy computed; None where the clock stood still.
        has_random_weights: whether nobody trained the policy, so that no number says anything about one.
        perturbation: of camera, robot or frames; None where nothing was perturbed.
    """

    suite: str
    simulator: str
    decoder: str
    decoder_settings: str
    seed: int
    step_limit: int
    tasks: tuple[str, ...]
    planned: int
    episodes: int
    successes: int
    errors: int
    crashed_attempts: int
    success_rate: float | None
    success_interval: Interval
    per_task: tuple[TaskSummary, ...]
    token_acceptance: float | None
    layer_acceptance: tuple[float | None, ...]
    column_acceptance: tuple[float | None, ...]
    digit_acceptance: tuple[tuple[float | None, ...], ...]
    whole_layer_acceptance: tuple[float | None, ...]
    first_run: tuple[int, ...]
    rounds_mean: float | None
    chunks: int
    skipped: float | None
    steps_mean: float | None
    latency_ms: dict[str, Latency]
    device: str
    versions: dict[str, str]
    commit: str | None
    commits: tuple[str | None, ...]
    seconds: float
    timing: TimingSummary | None = None
    has_random_weights: bool = False
    perturbation: PerturbationSummary | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form; latencies are objects with p50, p90 and p99.

        No `timing` and no `perturbation` are left out, and so is that weights are not random.
        """
        latency = {
            stage: {name: round(ms, 4) for name, ms in value._asdict().items()}
            for stage, value in self.latency_ms.items()
        }
        told = dataclasses.asdict(self) | {"latency_ms": latency}
        left_out = {"timing": None, "has_random_weights": False, "perturbation": None}
        return {name: value for name, value in told.items() if name not in left_out or value != left_out[name]}


def summarise(log: LogContents, planned: int) -> Summary:
    """Computes the summary of a log whose evaluation consists of `planned` episodes.

    Raises:
        ValueError: the log has no identity or no session, so nothing says what it is about.
    """
    if log.identity is None or not log.sessions:
        raise ValueError("the log is empty; run `python -m launch.evaluate` to fill it.")
    identity, session = log.identity, log.sessions[-1]
    records = list(log.episodes.values())
    successes = sum(record.rollout.success for record in records)
    acceptance = total_acceptance([record.rollout.acceptance for record in records])
    rounds = [value for record in records for value in record.rollout.rounds]
    per_task = _per_task(log)
    return Summary(
        suite=identity["suite"],
        simulator=identity["simulator"],
        decoder=identity["decoder"],
        decoder_settings=identity.get("decoder_settings", ""),
        seed=identity["seed"],
        step_limit=identity["step_limit"],
        tasks=tuple(task.task for task in per_task),
        planned=planned,
        episodes=len(records),
        successes=successes,
        errors=len(log.unresolved()),
        crashed_attempts=len(log.errors),
        success_rate=_ratio(successes, len(records)),
        success_interval=wilson_interval(successes, len(records)),
        per_task=per_task,
        token_acceptance=acceptance.token_rate(),
        layer_acceptance=acceptance.layer_rates(),
        column_acceptance=acceptance.column_rates(),
        digit_acceptance=acceptance.digit_rates(),
        whole_layer_acceptance=acceptance.whole_layer_rates(),
        first_run=acceptance.first_run,
        rounds_mean=float(np.mean(rounds)) if any(rounds) else None,
        chunks=len(rounds),
        skipped=_ratio(sum(record.rollout.skipped for record in records), len(rounds))
        if identity["decoder"] in (CASCADE, EARLY_EXIT)
        else None,
        steps_mean=float(np.mean([record.rollout.steps for record in records if record.rollout.success]))
        if successes
        else None,
        latency_ms=log.latency.stages if log.latency else {},
        device=log.latency.device if log.latency else session.device,
        versions=session.versions,
        commit=session.commit,
        commits=tuple(dict.fromkeys(each.commit for each in log.sessions)),
        seconds=sum(record.rollout.seconds for record in records),
        timing=summarise_timing(log),
        has_random_weights=identity.get(WEIGHTS) == RANDOM,
        perturbation=summarise_perturbation(log),
    )


def write_summary(path: Path, summary: Summary) -> None:
    """Writes ``summary.json`` whole or not at all."""
    write_checked_json(path, summary.to_json(), allow_nan=False)


def describe(summary: Summary, report: Path) -> str:
    """The result for a terminal, a line for each fact; `report` is the page that shows it."""
    lines = [
        *([in_red(RANDOM_WEIGHTS)] if summary.has_random_weights else []),
        describe_success(summary.successes, summary.episodes, summary.success_interval),
        f"errors      {summary.errors} episodes without result, {summary.crashed_attempts} crashed attempts",
    ]
    if summary.token_acceptance is not None:
        lines.append(f"{describe_acceptance(summary.token_acceptance)}, {summary.rounds_mean:.2f} rounds")
    if summary.skipped is not None:
        lines.append(f"skipped     {summary.skipped:.1%} of {summary.chunks} calls did without the main backbone")
    if summary.perturbation is not None:
        lines.append(describe_perturbation(summary.perturbation))
    if summary.timing is not None:
        lines.append(describe_timing(summary.timing))
    if "chunk" in summary.latency_ms:
        chunk = summary.latency_ms["chunk"]
        lines.append(f"chunk       p50 {chunk.p50:.1f} ms, p90 {chunk.p90:.1f} ms, p99 {chunk.p99:.1f} ms")
    return "\n".join([*lines, f"report      {report}"])


def describe_success(successes: int, episodes: int, interval: Interval) -> str:
    """The line of a terminal that tells how many `episodes` succeeded; what else it tells comes behind a comma."""
    low, high = interval
    rate = f"{successes / episodes:.1%}" if episodes else "no result"
    return f"success     {successes}/{episodes} = {rate} (95 % interval {low:.1%} to {high:.1%})"


def describe_acceptance(share: float) -> str:
    """The line of a terminal that tells the `share` of the draft's tokens that were accepted, likewise."""
    return f"acceptance  {share:.1%} of the draft's tokens"


def _per_task(log: LogContents) -> tuple[TaskSummary, ...]:
    unresolved = log.unresolved()
    names = {error.task_index: error.task for error in log.errors}
    names |= {record.task_index: record.task for record in log.episodes.values()}
    return tuple(_task_summary(name, index, log.episodes, unresolved) for index, name in sorted(names.items()))


def _task_summary(
    name: str, index: int, episodes: dict[EpisodeId, EpisodeRecord], unresolved: Iterable[EpisodeId]
) -> TaskSummary:
    records = [record for record in episodes.values() if record.task_index == index]
    successes = sum(record.rollout.success for record in records)
    return TaskSummary(
        task=name,
        task_index=index,
        episodes=len(records),
        successes=successes,
        errors=sum(episode.task_index == index for episode in unresolved),
        success_rate=_ratio(successes, len(records)),
        success_interval=wilson_interval(successes, len(records)),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
