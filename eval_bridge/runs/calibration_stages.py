"""The stages of a run that fit a cascade's threshold before it is evaluated, and check it on other episodes."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eval_bridge.analysis.calibration import CalibrationSettings
from eval_bridge.policies.cascade import CASCADE
from eval_bridge.policies.decoders import read_decoder
from eval_bridge.policies.fitted_settings import fitted_settings
from eval_bridge.runs.finished_evaluations import has_all_episodes
from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.run_folder import CHECKED_FOLDER, WATCHED_FOLDER, calibration_name, calibration_path, of_suite

EvaluateCommand = Callable[..., list[str]]
"""Arguments of a process that evaluates, given ``--config.NAME=VALUE`` overrides."""


@dataclass(frozen=True)
class CalibrationPlan:
    """The rule that a cascade acts by and the risk that its threshold is fitted to: all of it named beforehand.

    Attributes:
        rule, alpha, epsilon: see `CalibrationSettings`.
        simulator: whose starts it is fitted and checked on; never those of results.
        episodes_per_task: that it is fitted on, and as many others that it is checked on.
        longest_run: of the cascade that is fitted, see `CascadeDecoder`; 0 leaves it to its checkpoints.

    Raises:
        ValueError: on construction, if `CalibrationSettings` refuses one of the values, or there are no episodes.
    """

    rule: str
    alpha: float
    epsilon: float
    simulator: str
    episodes_per_task: int
    longest_run: int = 0

    def __post_init__(self) -> None:
        CalibrationSettings(self.rule, alpha=self.alpha, epsilon=self.epsilon)
        if self.longest_run < 0:
            raise ValueError(f"calibration.longest_run={self.longest_run} must not be negative")
        if self.episodes_per_task < 1:
            raise ValueError(f"calibration.episodes_per_task={self.episodes_per_task} must be at least 1")

    def path(self, run_dir: Path, suite: str = "") -> Path:
        """Where a run keeps what is fitted, of one of its suites where it has several."""
        return calibration_path(run_dir, self.rule, self.alpha, self.epsilon, suite)

    def name(self, suite: str = "") -> str:
        """What evaluations call it."""
        return calibration_name(self.rule, self.alpha, self.epsilon, suite)


@dataclass(frozen=True)
class CalibrationStages:
    """What is done before the evaluation by a cascade whose threshold is fitted, and after it.

    Attributes:
        fit: episodes are watched, the threshold is fitted.
        check: as many other episodes, run by that threshold, are watched, and the risk that they met is told.
    """

    fit: tuple[PipelineStage, PipelineStage]
    check: tuple[PipelineStage, PipelineStage]


def calibration_stages(
    plan: CalibrationPlan, run_dir: Path, evaluate: EvaluateCommand, reads: Sequence[str], suite: str = ""
) -> CalibrationStages:
    """The stages that `plan` asks for.

    Args:
        plan: what is fitted.
        run_dir: folder of the run.
        evaluate: makes the command of an evaluation by the cascade.
        reads: names of the stages that the cascade needs.
        suite: of the run's suites the one that is evaluated; empty where it has one.
    """
    # Any threshold does: what others would have decided follows from what was watched. This one lets some drafts act.
    acting = f"shadow=true rule={'confidence' if plan.rule != 'agreement' else plan.rule}"
    if plan.longest_run:
        acting += f" longest_run={plan.longest_run}"
    quiet = ("--config.video.per_task=0", "--config.latency_repeats=0")
    episodes = (f"--config.simulator={plan.simulator}", f"--config.episodes_per_task={plan.episodes_per_task}")

    def watch(folder: str, *more: str) -> list[str]:
        return evaluate(f"--config.output={folder}", *episodes, *quiet, *more)

    watched, checked = (of_suite(folder, suite) for folder in (WATCHED_FOLDER, CHECKED_FOLDER))
    names = [of_suite(name, suite) for name in ("watch", "calibrate", "watch_others", "check")]
    calibrate = [
        *(sys.executable, "-m", "launch.calibrate", "--run_dir", str(run_dir)),
        *("--watched", str(run_dir / watched), "--rule", plan.rule),
        *("--alpha", f"{plan.alpha:g}", "--epsilon", f"{plan.epsilon:g}"),
        *(("--suite", suite) if suite else ()),
    ]
    kept = plan.path(run_dir, suite)
    fit = (
        PipelineStage(
            names[0],
            run_dir / watched,
            watch(watched, f"--config.decoder_settings={acting}"),
            partial(has_all_episodes, decoder=read_decoder(CASCADE, acting)),
            reads,
        ),
        PipelineStage(names[1], kept, calibrate, partial(_has, name="threshold"), (*reads, names[0])),
    )
    fitted = (*reads, *names[:2])
    first_other = f"--config.first_episode={plan.episodes_per_task}"
    by_fitted = ("--config.decoder_settings=shadow=true", f"--config.calibration={plan.name(suite)}")
    check = (
        PipelineStage(
            names[2],
            run_dir / checked,
            watch(checked, first_other, *by_fitted),
            partial(has_all_episodes_as_fitted, plan=plan, run_dir=run_dir, suite=suite, more="shadow=true"),
            fitted,
        ),
        PipelineStage(
            names[3],
            kept,
            [*calibrate, "--checked", str(run_dir / checked)],
            partial(_has, name="checked_on"),
            (*fitted, names[2]),
        ),
    )
    return CalibrationStages(fit, check)


def has_all_episodes_as_fitted(
    output: Path, plan: CalibrationPlan, run_dir: Path, suite: str = "", more: str = ""
) -> bool:
    """Whether every planned episode has a result by the cascade with the fitted threshold, and settings `more`."""
    if not _has(plan.path(run_dir, suite), "threshold"):
        return False
    settings = fitted_settings(run_dir, plan.name(suite), CASCADE)
    return has_all_episodes(output, read_decoder(CASCADE, f"{more} {settings}"))


def _has(path: Path, name: str) -> bool:
    """Whether a calibration has something to say under `name`."""
    if not path.is_file():
        return False
    try:
        return json.loads(path.read_bytes())[name] is not None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); move it away: launch.calibrate makes it again") from error
