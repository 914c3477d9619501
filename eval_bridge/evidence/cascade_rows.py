"""A run's evaluations by cascades as rows of the published results, each beside the full decoder's on its starts."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.comparison import compare_folders
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.evidence.cascade_evidence import Timing, read_cascade
from eval_bridge.policies.acting_settings import ActingSettings, acting_settings, rule_name
from eval_bridge.policies.fitted_settings import Facts
from eval_bridge.statistics.intervals import Interval
from rsd_jax.content_check import read_checked_json
from rsd_jax.run_folder import LOG_NAME, SUMMARY_NAME

FULL_DECODERS = ("fixed_point", "autoregressive", "speculative_greedy")
"""What a cascade is compared with: the first of these that was evaluated; their tokens are the same."""


@dataclass(frozen=True)
class Evaluated:
    """A finished evaluation.

    Attributes:
        path: its folder.
        settings: of the decoder, as its log has them.
        checkpoints: digests of what acted, by stage.
        summary: its figures.
    """

    path: Path
    settings: str
    checkpoints: Mapping[str, str]
    summary: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Evaluated":
        """Raises ValueError where log or summary is missing or damaged."""
        log = read_episode_log(path / LOG_NAME)
        settings = (log.identity or {}).get("decoder_settings", "")
        return cls(path, settings, log.checkpoints, read_checked_json(path / SUMMARY_NAME))

    @property
    def is_complete(self) -> bool:
        """Whether every planned episode has a result."""
        return bool(self.summary["episodes"] == self.summary["planned"])

    @property
    def folder(self) -> str:
        """The folder's name."""
        return self.path.name


@dataclass(frozen=True)
class CascadeRow:
    """One evaluation by a cascade; `eval_bridge.evidence.cascade_record.DEFINITIONS` says what the figures are.

    Attributes:
        folder: its name in the run's folder. decoder: by which.
        times: of each device, the file's figures as `_time` keeps them.
        checked_episodes: that the risk was met on.
        commit, device: of the evaluation's last session.
    """

    folder: str
    decoder: str
    rule: str
    settings: str
    named_before: bool
    suite: str
    episodes: int
    successes: int
    interval: Interval
    skipped: float
    chunk_ms_mean: float | None
    chunk_ms_mean_full: float | None
    times: tuple[Facts, ...]
    paired: Facts
    alpha: float | None
    epsilon: float | None
    risk: float | None
    risk_interval: tuple[float, float] | None
    checked_episodes: int | None
    commit: str | None
    device: str


def make_row(
    run_dir: Path,
    evaluated: Evaluated,
    full: Evaluated,
    named: Collection[ActingSettings],
    timings: Sequence[Timing],
    calibration_of: Callable[[ActingSettings], Facts | None],
) -> CascadeRow:
    """The row of an evaluation.

    Args:
        run_dir: that it belongs to.
        evaluated: by a cascade.
        full: that it is compared with.
        named: the cascades that a pipeline names.
        timings: of this and other cascades.
        calibration_of: the calibration to tell of a cascade that acts so.

    Raises:
        ValueError: it was timed beside a decoder whose tokens are others than those of `full`, or cannot be compared
            with that.
    """
    summary = evaluated.summary
    decoder = read_cascade(summary["decoder"], evaluated.settings, evaluated.path)
    acts = acting_settings(decoder, run_dir)
    calibration = calibration_of(acts) or {}
    checked = calibration.get("checked_on") or {}
    times = tuple(_time(each, full) for each in timings if each.acts == acts)
    return CascadeRow(
        folder=evaluated.folder,
        decoder=acts.decoder,
        rule=rule_name(decoder),
        settings=acts.written,
        named_before=acts in named,
        suite=summary["suite"],
        episodes=summary["episodes"],
        successes=summary["successes"],
        interval=Interval(*summary["success_interval"]),
        skipped=summary["skipped"],
        chunk_ms_mean=times[0]["chunk_ms_mean"] if times else None,
        chunk_ms_mean_full=times[0]["chunk_ms_mean_full"] if times else None,
        times=times,
        paired=compare_folders(full.path, evaluated.path).to_json(),
        alpha=calibration.get("alpha"),
        epsilon=calibration.get("epsilon"),
        risk=checked.get("risk"),
        risk_interval=checked.get("risk_interval"),
        checked_episodes=checked.get("episodes"),
        commit=summary["commit"],
        device=summary["device"],
    )


def _time(timing: Timing, full: Evaluated) -> Facts:
    facts = timing.facts
    alike = FULL_DECODERS if full.summary["decoder"] in FULL_DECODERS else (full.summary["decoder"],)
    if timing.full_decoder not in alike:
        raise ValueError(
            f"a cascade was timed beside {timing.full_decoder} on {facts['device']}, and rows are compared with "
            f"{full.summary['decoder']}: time it with --full={full.summary['decoder']}, or name a folder by --full"
        )
    return {
        **{name: facts[name] for name in ("device", "commit", "full_decoder")},
        "episodes": facts["cascade"]["episodes"],
        "calls": facts["cascade"]["calls"],
        "skipped": facts["cascade"]["skipped"],
        "chunk_ms_mean": facts["cascade"]["chunk_ms_mean"],
        "chunk_ms_mean_full": facts["full"]["chunk_ms_mean"],
        "full_over_cascade": facts["full_over_cascade"],
    }
