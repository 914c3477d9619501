"""Success over delay: a row an evaluation, of evaluations of the same starts by the same checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval_bridge.episodes.execution.blocking import BLOCKING
from eval_bridge.episodes.execution.timing import whole_chunk_ages
from eval_bridge.episodes.trace import load_trace
from eval_bridge.evaluation.benchmarks import LiberoBenchmark
from eval_bridge.evaluation.episode_log import LogContents, read_episode_log
from eval_bridge.evaluation.execution_settings import EXECUTIONS, ExecutionSettings
from eval_bridge.evaluation.records import EpisodeRecord
from eval_bridge.statistics.intervals import Interval, wilson_interval
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import LOG_NAME, SUMMARY_NAME

_SETTINGS = ("actions_left", "coarse_layers")


@dataclass(frozen=True)
class DelayRow:
    """One evaluation.

    Attributes:
        suite: with the simulator, if its starts are not LIBERO's evaluation states.
        decoder: with its settings. execution: how chunks were executed, with settings that are not the usual ones.
        delay: steps that a call took, on average where they were drawn; None for blocking.
        profile: that they were drawn from; None for a fixed number.
        episodes, successes, interval: Wilson, 95 %.
        action_age_mean: of executed actions, steps since the observation that they were decided on; None where every
            step was held.
        underruns: calls during which nothing was left to execute. holds: steps held, both of all episodes.
        commit, device: that it was run by and on; several where it was gone on with.
    """

    suite: str
    decoder: str
    execution: str
    delay: float | None
    profile: str | None
    episodes: int
    successes: int
    interval: Interval
    action_age_mean: float | None
    underruns: int
    holds: int
    commit: str
    device: str

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands among others; no two rows stand in the same."""
        kind = EXECUTIONS.index(self.execution.split()[0])
        return self.suite, self.decoder, kind, self.execution, self.profile or "", self.delay or 0.0


def read_delay_results(folders: Sequence[Path]) -> dict[str, Any]:
    """All rows, and where they come from, as JSON values.

    Raises:
        ValueError: an evaluation is missing or not complete, two are of the same cell, or they differ in starts or
            checkpoints, so that they cannot be told side by side.
    """
    logs = {folder: _read_complete(folder) for folder in folders}
    _require_alike(logs)
    rows = {folder: _row(folder, log) for folder, log in logs.items()}
    by_place: dict[tuple[Any, ...], Path] = {}
    for folder, row in rows.items():
        if row.place in by_place:
            raise ValueError(f"{folder} and {by_place[row.place]} are of the same cell, {row.place}: leave one out")
        by_place[row.place] = folder
    checkpoints: dict[str, dict[str, str]] = {}
    for folder, log in logs.items():
        checkpoints.setdefault(rows[folder].suite, {}).update(log.checkpoints)
    versions = [session.versions for log in logs.values() for session in log.sessions]
    return _record(list(rows.values()), checkpoints, versions[-1])


def add_kept_rows(kept: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """Figures that were kept before beside what is measured now, which counts where both have a cell.

    Args:
        kept: what `read_delay_results` gave, or this function.
        measured: what `read_delay_results` gives now.

    Raises:
        ValueError: they are of other checkpoints, or of other numbers of starts.
    """
    rows, known = ({row.place: row for row in map(_from_json, record["rows"])} for record in (measured, kept))
    checkpoints = {suite: dict(stages) for suite, stages in kept["checkpoints"].items()}
    for suite, stages in measured["checkpoints"].items():
        before = checkpoints.setdefault(suite, {})
        if different := sorted(stage for stage in before.keys() & stages.keys() if before[stage] != stages[stage]):
            raise ValueError(
                f"the kept figures of {suite} are of another {', '.join(different)}: leave out --add, which replaces "
                "them, or name another file"
            )
        before |= stages
    episodes = {row.suite: row.episodes for row in known.values()}
    for row in rows.values():
        if row.episodes != episodes.get(row.suite, row.episodes):
            raise ValueError(
                f"the kept figures of {row.suite} are of {episodes[row.suite]} episodes each, these of "
                f"{row.episodes}: evaluate the same starts, or name another file"
            )
    return _record(list((known | rows).values()), checkpoints, measured["versions"])


def _record(
    rows: Sequence[DelayRow], checkpoints: Mapping[str, Mapping[str, str]], versions: Mapping[str, str]
) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: row.place)
    return {
        "rows": [asdict(row) | {"interval": list(row.interval)} for row in ordered],
        "checkpoints": checkpoints,
        "commit": _together([row.commit for row in ordered]),
        "versions": versions,
        "device": _together([row.device for row in ordered]),
    }


def _from_json(row: Mapping[str, Any]) -> DelayRow:
    low, high = row["interval"]
    return DelayRow(**{**row, "interval": (low, high)})


def _together(values: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(each for value in values for each in value.split(", ")))


def _read_complete(folder: Path) -> LogContents:
    if not (folder / SUMMARY_NAME).is_file():
        raise ValueError(f"{folder} holds no finished evaluation; run `python -m launch.evaluate` to its end")
    summary = read_checked_json(folder / SUMMARY_NAME)
    if summary["episodes"] != summary["planned"]:
        raise ValueError(f"{folder} has {summary['episodes']} of {summary['planned']} episodes; finish it first")
    if "perturbation" in summary:
        raise ValueError(f"{folder} is of a perturbed evaluation ({summary['perturbation']['name']}): leave it out")
    return read_episode_log(folder / LOG_NAME)


def _require_alike(logs: Mapping[Path, LogContents]) -> None:
    """Raises ValueError where evaluations of a suite have other episodes, or the same stage another checkpoint."""
    first_of: dict[tuple[str, str], tuple[Path, LogContents]] = {}
    for folder, log in logs.items():
        identity = log.identity or {}
        first, other = first_of.setdefault((identity["simulator"], identity["suite"]), (folder, log))
        if other.episodes.keys() != log.episodes.keys():
            raise ValueError(
                f"{folder} has {len(log.episodes)} episodes, {first} {len(other.episodes)}, not all the same: run "
                "both with the same tasks, episodes_per_task and first_episode"
            )
        common = other.checkpoints.keys() & log.checkpoints.keys()
        if different := sorted(stage for stage in common if other.checkpoints[stage] != log.checkpoints[stage]):
            raise ValueError(f"{folder} was run with another {', '.join(different)} than {first}: evaluate one again")


def _row(folder: Path, log: LogContents) -> DelayRow:
    identity, records = log.identity or {}, list(log.episodes.values())
    timings = [record.rollout.timing for record in records if record.rollout.timing]
    delays = [delay for timing in timings for delay in timing.delays]
    is_fixed = isinstance(identity.get("delay"), int)
    successes = sum(record.rollout.success for record in records)
    ages = [age for record in records for age in _ages(folder, record) if age is not None]
    return DelayRow(
        suite=_suite(identity),
        decoder=f"{identity['decoder']} {identity.get('decoder_settings', '')}".strip(),
        execution=_execution(identity),
        delay=identity["delay"] if is_fixed else float(np.mean(delays)) if delays else None,
        profile=None if is_fixed else identity.get("delay"),
        episodes=len(records),
        successes=successes,
        interval=wilson_interval(successes, len(records)),
        action_age_mean=float(np.mean(ages)) if ages else None,
        underruns=sum(timing.underruns for timing in timings),
        holds=sum(timing.holds for timing in timings),
        commit=_together([session.commit or "unknown" for session in log.sessions]),
        device=_together([session.device for session in log.sessions]),
    )


def _suite(identity: Mapping[str, Any]) -> str:
    simulator, suite = identity["simulator"], str(identity["suite"])
    return suite if simulator in (LiberoBenchmark.simulator, suite) else f"{suite}, {simulator}"


def _execution(identity: Mapping[str, Any]) -> str:
    told = {name: identity[name] for name in _SETTINGS if name in identity}
    others = [f"{name}={value}" for name, value in told.items() if value != getattr(ExecutionSettings(), name)]
    return " ".join([identity.get("execution", BLOCKING.name), *others])


def _ages(folder: Path, record: EpisodeRecord) -> Sequence[int | None]:
    """Ages of an episode's actions; where its record tells none, chunks were executed whole from where they begin."""
    if record.rollout.timing is not None:
        return record.rollout.timing.ages
    if record.trace is None:
        raise ValueError(f"{folder}: task {record.task_index}, episode {record.episode} has no trace of its chunks")
    return whole_chunk_ages(record.rollout.steps, load_trace(folder / record.trace).chunk_starts.tolist())
