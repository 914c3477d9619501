"""Two evaluations on the same initial states, episode against episode.

Both policies meet the same starts, so what counts is where they differ: episodes that only one of them solves.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval_bridge.episodes.execution.blocking import BLOCKING
from eval_bridge.evaluation.episode_log import CHECKPOINT, LogContents, read_episode_log
from eval_bridge.evaluation.folder import PERTURBATION
from eval_bridge.evaluation.plan import EpisodeId
from eval_bridge.statistics.intervals import Interval
from eval_bridge.statistics.paired import RESAMPLES, PairedCounts, bootstrap_difference, mcnemar_p_value
from rsd_jax.atomic_files import write_atomically
from rsd_jax.run_folder import LOG_NAME

_MUST_AGREE = ("suite", "simulator", "step_limit")
_MAY_DIFFER_SILENTLY = ("decoder", CHECKPOINT, "policy.")
_LISTED = 8  # Episodes named one by one in a warning.


class ComparisonError(ValueError):
    """Two evaluations that cannot be compared."""


@dataclass(frozen=True)
class TaskComparison:
    """The common episodes of one task."""

    task: str
    task_index: int
    counts: PairedCounts


@dataclass(frozen=True)
class Compared:
    """One of the two evaluations: what the reader calls it, and what its log says that it is."""

    name: str
    decoder: str
    identity: Mapping[str, Any]
    mean_steps: float | None
    chunk_ms: float | None
    device: str | None


@dataclass(frozen=True)
class Comparison:
    """Two evaluations on their common episodes; differences are second minus first.

    Attributes:
        suite, simulator, step_limit: what both have in common.
        first, second: the evaluations; their `mean_steps` is over episodes that both solved.
        counts: over all common episodes.
        per_task: the same by task.
        difference: of the success rates. interval: its 95 % bootstrap interval, `bootstrap_difference`.
        p_value: `mcnemar_p_value`, whether the episodes that one alone solved could be chance.
        warnings: what a reader has to know before believing it.
        seed, resamples: of the bootstrap.
    """

    suite: str
    simulator: str
    step_limit: int
    first: Compared
    second: Compared
    counts: PairedCounts
    per_task: tuple[TaskComparison, ...]
    difference: float
    interval: Interval
    p_value: float
    warnings: tuple[str, ...]
    seed: int
    resamples: int

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form; counts are objects."""
        tasks = [
            dataclasses.asdict(task) | {"counts": task.counts._asdict(), "difference": task.counts.difference}
            for task in self.per_task
        ]
        return dataclasses.asdict(self) | {
            "counts": self.counts._asdict(),
            "interval": self.interval._asdict(),
            "per_task": tasks,
        }


def compare_folders(first: Path, second: Path, *, seed: int = 0) -> Comparison:
    """Compares the evaluations in two folders, named by them; see `compare`.

    Raises:
        ComparisonError: they cannot be compared.
        EpisodeLogError: a folder holds no evaluation, or a damaged one.
    """
    logs = [read_episode_log(folder / LOG_NAME) for folder in (first, second)]
    return compare(logs[0], logs[1], _distinct_names(first, second), seed=seed)


def compare(
    first: LogContents,
    second: LogContents,
    names: tuple[str, str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compares two evaluations episode by episode.

    Args:
        first: the log of one, for example of the decoder to compare with.
        second: the log of the other.
        names: what to call them.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        ComparisonError: suite, simulator or step limit differ, or no episode is in both.
    """
    identities = (_identity(first, names[0]), _identity(second, names[1]))
    _require_comparable(*identities, names)
    common = sorted(first.episodes.keys() & second.episodes.keys())
    if not common:
        raise ComparisonError(
            f"{names[0]} ({len(first.episodes)} episodes) and {names[1]} ({len(second.episodes)}) have no episode in "
            "common; evaluate the same tasks with both."
        )
    per_task = _by_task(first, second, common)
    counts = _sum([task.counts for task in per_task])
    both = [key for key in common if first.episodes[key].rollout.success and second.episodes[key].rollout.success]
    return Comparison(
        suite=identities[0]["suite"],
        simulator=identities[0]["simulator"],
        step_limit=identities[0]["step_limit"],
        first=_compared(names[0], first, identities[0], both),
        second=_compared(names[1], second, identities[1], both),
        counts=counts,
        per_task=per_task,
        difference=counts.difference,
        interval=bootstrap_difference([task.counts for task in per_task], seed=seed, resamples=resamples),
        p_value=mcnemar_p_value(counts.first_only, counts.second_only),
        warnings=(*_differences(*identities, names), *_unpaired(first, second, names)),
        seed=seed,
        resamples=resamples,
    )


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Writes a comparison as JSON, whole or not at all.

    Raises:
        OSError: it could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(comparison.to_json(), indent=2, allow_nan=False) + "\n")


def _distinct_names(first: Path, second: Path) -> tuple[str, str]:
    """The folders' names, with as many of their parents' as it takes to tell them apart."""
    own, other = first.resolve().parts, second.resolve().parts
    if own == other:
        raise ComparisonError(f"{first} and {second} are the same folder; compare it with another one.")
    length = next(count for count in range(1, max(len(own), len(other)) + 1) if own[-count:] != other[-count:])
    return "/".join(own[-length:]), "/".join(other[-length:])


def _identity(log: LogContents, name: str) -> Mapping[str, Any]:
    if log.identity is None:
        raise ComparisonError(f"{name} holds no evaluation; run `python -m launch.evaluate` to fill it.")
    return log.identity


def _require_comparable(first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]) -> None:
    for field in _MUST_AGREE:
        if first[field] != second[field]:
            raise ComparisonError(
                f"{field} is {first[field]!r} in {names[0]} and {second[field]!r} in {names[1]}; only evaluations "
                f"with the same {', '.join(_MUST_AGREE)} start from the same states."
            )


def _by_task(first: LogContents, second: LogContents, common: list[EpisodeId]) -> tuple[TaskComparison, ...]:
    tasks = []
    for index in sorted({key.task_index for key in common}):
        keys = [key for key in common if key.task_index == index]
        pairs = [(first.episodes[key].rollout.success, second.episodes[key].rollout.success) for key in keys]
        outcomes = ((True, True), (True, False), (False, True), (False, False))
        counts = PairedCounts(*(pairs.count(outcome) for outcome in outcomes))
        tasks.append(TaskComparison(first.episodes[keys[0]].task, index, counts))
    return tuple(tasks)


def _sum(counts: list[PairedCounts]) -> PairedCounts:
    return PairedCounts(*(sum(column) for column in zip(*counts, strict=True)))


def _compared(name: str, log: LogContents, identity: Mapping[str, Any], both: list[EpisodeId]) -> Compared:
    chunk = log.latency.stages.get("chunk") if log.latency else None
    return Compared(
        name=name,
        decoder=str(identity["decoder"]),
        identity=identity,
        mean_steps=float(np.mean([log.episodes[key].rollout.steps for key in both])) if both else None,
        chunk_ms=chunk.p50 if chunk else None,
        device=log.latency.device if log.latency else None,
    )


def _differences(first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]) -> list[str]:
    """What else differs than the decoder and the checkpoints, which are what one compares."""
    usual = {"execution": BLOCKING.name, PERTURBATION: "none"}
    first, second = ({**usual, **identity} for identity in (first, second))
    fields = sorted({*first, *second})
    different = [field for field in fields if first.get(field) != second.get(field)]
    return [
        f"{field} is {first.get(field)!r} in {names[0]} and {second.get(field)!r} in {names[1]}"
        for field in different
        if not field.startswith(_MAY_DIFFER_SILENTLY)
    ]


def _unpaired(first: LogContents, second: LogContents, names: tuple[str, str]) -> list[str]:
    """Episodes that only one evaluation has; they are in no number."""
    lines = []
    for name, own, other in ((names[0], first, second), (names[1], second, first)):
        alone = sorted(own.episodes.keys() - other.episodes.keys())
        if alone:
            listed = ", ".join(f"{key.task_index}/{key.episode}" for key in alone[:_LISTED])
            more = ", …" if len(alone) > _LISTED else ""
            lines.append(
                f"Left out, since only {name} has them: {len(alone)} of its episodes (task/episode {listed}{more})."
            )
    return lines
