"""Evaluations as rows of the published results: each with its interval, its episodes paired with another decoder's."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.benchmarks import LiberoBenchmark
from eval_bridge.evaluation.comparison import compare_folders
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.evaluation.summary import CHANGED_PROTOCOL
from eval_bridge.evidence.fine_grained import Pooled, pool_fine_grained
from eval_bridge.runs.run_record import pipeline_command, read_result
from eval_bridge.simulators.libero.suites import get_suite, suite_names
from eval_bridge.statistics.intervals import Interval
from rsd_jax.checkpoints.stage_checkpoints import changed_stages
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import HEADLINE, LOG_NAME, SUMMARY_NAME

TEACHER = "l1_regression"
"""The decoder that the headline's row is paired with: it acts as the policy was trained to."""

ACCEPTANCES = (
    *("token_acceptance", "layer_acceptance", "column_acceptance", "digit_acceptance", "whole_layer_acceptance"),
    "first_run",
)
"""What a row takes over from the summary as it is, if it is there."""


@dataclass(frozen=True)
class Paired:
    """The headline's decoder and another one on their common episodes.

    Attributes:
        against: the decoder of the other row: in the headline's row the teacher, in all others the headline's.
        episodes: that both ran.
        b: episodes that the headline's decoder alone solved. c: that the other alone solved.
        difference: of the success rates, headline minus other. interval: its 95 % bootstrap interval.
        p_value: exact McNemar test.
        warnings: what else differs between the two, another device's rounding for example.
    """

    against: str
    episodes: int
    b: int
    c: int
    difference: float
    interval: Interval
    p_value: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationRow:
    """One evaluation of one training run.

    Attributes:
        folder: its name in the run's folder.
        suite: what was evaluated.
        decoder: by which decoder. settings: of it; those that are left out have their defaults.
        seed: of the training.
        episodes, successes, success_rate, interval: over all tasks; Wilson, 95 %.
        per_task: as the summary has them.
        fine_grained: those of `FINE_GRAINED` that the suite has, together.
        acceptance: by name, `ACCEPTANCES`.
        rounds_mean: passes of the main head a chunk.
        chunk_ms_p50, chunk_ms_p99: of the deployed call, observation to actions.
        checkpoints: digests of what acted, by stage.
        commit, device, versions: of the evaluation's last session.
        paired: against another decoder on the same starts.
    """

    folder: str
    suite: str
    decoder: str
    seed: int
    episodes: int
    successes: int
    success_rate: float
    interval: Interval
    per_task: tuple[Mapping[str, Any], ...]
    fine_grained: Pooled | None
    acceptance: Mapping[str, Any]
    rounds_mean: float | None
    chunk_ms_p50: float | None
    chunk_ms_p99: float | None
    checkpoints: Mapping[str, str]
    commit: str | None
    device: str
    versions: Mapping[str, str]
    paired: Paired | None = None
    settings: str = ""

    @property
    def label(self) -> str:
        """Decoder and settings."""
        return f"{self.decoder} {self.settings}".strip()

    def to_json(self) -> dict[str, Any]:
        """JSON-serialisable form, acceptances beside the other figures and without what all rows have in common."""
        values = asdict(self)
        for name in ("versions", "acceptance", *(() if self.settings else ("settings",))):
            del values[name]
        return values | dict(self.acceptance)


def read_suite_rows(run_dir: Path, seed: int, suite: str, headline_name: str = HEADLINE) -> list[EvaluationRow]:
    """Every complete evaluation of `suite` in the folder of a run: the headline, the teacher, then the others.

    Args:
        run_dir: folder of the run.
        seed: of its training.
        suite: that was evaluated.
        headline_name: folder of the first decoder's evaluation; the others' names begin with it.

    Raises:
        ValueError: the headline is missing, incomplete or of another suite, or an evaluation had other checkpoints.
    """
    folder = run_dir / headline_name
    headline = read_row(folder, seed, pipeline_command(run_dir))
    if headline.suite != suite:
        raise ValueError(f"{folder} is of suite {headline.suite}, not {suite}; name another with --suite")
    others = [
        read_row(other, seed, "") for other in sorted(run_dir.glob(f"{headline_name}_*")) if _is_alike(folder, other)
    ]
    require_present_checkpoints(run_dir, [headline, *others])
    others.sort(key=lambda row: row.decoder != TEACHER)
    pairs = [_pair(folder, row) for row in others]
    return [
        replace(headline, paired=pairs[0] if others and others[0].decoder == TEACHER else None),
        *(
            replace(row, paired=replace(pair, against=headline.decoder))
            for row, pair in zip(others, pairs, strict=True)
        ),
    ]


def read_variant_rows(run_dir: Path, seed: int, base: str) -> list[EvaluationRow]:
    """The evaluations of a run on LIBERO-PRO's variants of the suite `base`, all of them, each in its own folder.

    Raises:
        ValueError: one is missing or incomplete, or had other checkpoints than the run has.
    """
    suites = [name for name in suite_names() if get_suite(name).is_variant and get_suite(name).base == base]
    rows = [
        read_row(
            run_dir / f"{HEADLINE}_{suite}",
            seed,
            f"python -m launch.evaluate --config configs/libero_eval.py:{base} --config.run_dir={run_dir} "
            f"--config.suite={suite} --config.output={HEADLINE}_{suite} --config.episodes_per_task=10",
        )
        for suite in suites
    ]
    require_present_checkpoints(run_dir, [read_row(run_dir / HEADLINE, seed, pipeline_command(run_dir)), *rows])
    return rows


def read_row(folder: Path, seed: int, command: str) -> EvaluationRow:
    """The row of one complete evaluation, unpaired.

    Args:
        folder: of the evaluation.
        seed: of the training.
        command: what makes it, for the error.

    Raises:
        ValueError: there is no summary, episodes are missing, or they did not start in evaluation states.
    """
    summary = read_result(folder / SUMMARY_NAME, command)
    if summary["simulator"] != LiberoBenchmark.simulator:
        raise ValueError(
            f"{folder / SUMMARY_NAME} is of the simulator {summary['simulator']!r}; published rows are of "
            f"{LiberoBenchmark.simulator!r}, whose starts nothing was chosen by: move it away, and run {command}"
        )
    if summary["episodes"] != summary["planned"]:
        have = f"{summary['episodes']} of {summary['planned']} episodes"
        raise ValueError(f"{folder / SUMMARY_NAME} has {have}; finish it: {command}")
    if "timing" in summary:
        raise ValueError(
            f"{folder / SUMMARY_NAME} is of an evaluation in which time passed ({summary['timing']['execution']}): "
            f"launch.record_delay tells of those. Move it away, and run {command}"
        )
    if "perturbation" in summary:
        raise ValueError(
            f"{folder / SUMMARY_NAME} is of a perturbed evaluation ({summary['perturbation']['name']}): "
            f"launch.record_perturbations tells of those. Move it away, and run {command}"
        )
    log = read_episode_log(folder / LOG_NAME)
    chunk = summary["latency_ms"].get("chunk", {})
    return EvaluationRow(
        folder=folder.name,
        suite=summary["suite"],
        decoder=summary["decoder"],
        settings=summary.get("decoder_settings", ""),
        seed=seed,
        episodes=summary["episodes"],
        successes=summary["successes"],
        success_rate=summary["success_rate"],
        interval=Interval(*summary["success_interval"]),
        per_task=tuple(summary["per_task"]),
        fine_grained=pool_fine_grained(summary["suite"], summary["per_task"]),
        acceptance={name: summary[name] for name in ACCEPTANCES if name in summary},
        rounds_mean=summary["rounds_mean"],
        chunk_ms_p50=chunk.get("p50"),
        chunk_ms_p99=chunk.get("p99"),
        checkpoints=log.checkpoints,
        commit=summary["commit"],
        device=summary["device"],
        versions=summary["versions"],
    )


def require_present_checkpoints(run_dir: Path, rows: Sequence[EvaluationRow]) -> None:
    """Raises ValueError where a row was evaluated with another checkpoint than the one that the run has."""
    for row in rows:
        if different := changed_stages(run_dir, row.checkpoints):
            raise ValueError(
                f"{run_dir / row.folder} was run with another {', '.join(different)} than {run_dir} has: move it "
                "away, and evaluate again what is there now"
            )


def _is_alike(headline: Path, folder: Path) -> bool:
    """Whether `folder` holds a complete evaluation of the same suite in the same simulator."""
    if not (folder / SUMMARY_NAME).is_file():
        return False
    own, summary = (read_checked_json(path / SUMMARY_NAME) for path in (headline, folder))
    is_complete = summary["episodes"] == summary["planned"]
    return (
        is_complete
        and not CHANGED_PROTOCOL & summary.keys()
        and all(summary[name] == own[name] for name in ("suite", "simulator", "tasks", "episodes"))
    )


def _pair(headline: Path, row: EvaluationRow) -> Paired:
    comparison = compare_folders(headline.with_name(row.folder), headline)
    counts = comparison.counts
    return Paired(
        row.decoder,
        counts.episodes,
        b=counts.second_only,
        c=counts.first_only,
        difference=comparison.difference,
        interval=comparison.interval,
        p_value=comparison.p_value,
        warnings=comparison.warnings,
    )
