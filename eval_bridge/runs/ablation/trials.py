"""What an ablation trains and evaluates: its trials, each a policy in a folder of its own, and their commands."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from eval_bridge.runs.development import DevelopmentEvaluation
from eval_bridge.runs.evaluation_stage import evaluation_stage
from eval_bridge.runs.linked_run import LinkedRun
from eval_bridge.runs.stage_process import PipelineStage
from eval_bridge.runs.training import ReadConfig, plan_training
from rsd_jax.checkpoints.errors import MissingCheckpointError
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.run_folder import (
    ABLATION_EVALUATION,
    ABLATION_FOLDER,
    ABLATION_RECORD,
    DEMOS_FOLDER,
    ROWS_FOLDER,
)
from rsd_jax.training.demonstrations import MissingDemonstrations, demonstration_files, demonstrations_digest

DECODER = "l1_regression"

SHARED = (DEMOS_FOLDER, "rfsq")
"""Folders of the run that its trials need and share by a link; ``demos=RUN_DIR`` takes those of another run."""


@dataclass(frozen=True)
class AblationSettings:
    """What an ablation compares, as ``configs/ablations.py`` explains it.

    Attributes:
        run_dir: whose demonstrations and tokenizer are used. out: file of the results.
        policy: variant of the policy's configuration that is changed.
        overrides: what each policy changes there, as KEY=VALUE, by the policy's name.
        base: the policy that the others are compared with. only: names of those to run, with commas; empty for all.
        seeds: of the trainings. steps: of each; 0 leaves it to the configuration.
        heldout_only: train only, and judge by held-out episodes.
        parallel_evaluations: evaluations at the same time, beside a training.
        evaluation: how policies are judged.
        further_simulators: names of more simulators, in which they are judged likewise.
    """

    run_dir: str
    out: str
    policy: str
    overrides: Mapping[str, tuple[str, ...]]
    base: str
    only: str
    seeds: tuple[int, ...]
    steps: int
    heldout_only: bool
    parallel_evaluations: int
    evaluation: DevelopmentEvaluation
    further_simulators: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Rejects simulators that are named twice, or that results are published on."""
        simulators = (self.evaluation.simulator, *self.further_simulators)
        if len(set(simulators)) < len(simulators):
            raise ValueError(
                f"further_simulators={self.further_simulators} beside evaluation.simulator="
                f"{self.evaluation.simulator!r} must name each simulator once"
            )
        _ = self.evaluations

    @property
    def evaluations(self) -> Mapping[str, DevelopmentEvaluation]:
        """How policies are judged, by the folder of each evaluation; the first is the one that ranks them."""
        further = {
            f"{ABLATION_EVALUATION}_{name}": replace(self.evaluation, simulator=name)
            for name in self.further_simulators
        }
        return {ABLATION_EVALUATION: self.evaluation, **further}


@dataclass(frozen=True)
class Trial(LinkedRun):
    """One policy with one seed.

    Attributes:
        name: of the policy's variant.
        seed: of its training.
        training: makes ``policy/``.
        evaluation: makes ``development/``; None if only held-out episodes judge.
        further: evaluations in other simulators, by their names.
    """

    name: str
    seed: int
    training: PipelineStage
    evaluation: PipelineStage | None
    further: Mapping[str, PipelineStage]

    record_name: ClassVar[str] = ABLATION_RECORD

    @property
    def evaluations(self) -> tuple[PipelineStage, ...]:
        """All of them, the one that ranks policies first."""
        return (*([] if self.evaluation is None else [self.evaluation]), *self.further.values())

    @property
    def is_complete(self) -> bool:
        """Whether everything is there, made with what is asked now."""
        stages = (self.training, *self.evaluations)
        return self.has_same_record() and all(stage.is_finished(stage.output) for stage in stages)


def plan_trials(config: AblationSettings, read_config: ReadConfig) -> list[Trial]:
    """All trials that `config` describes, the base's first, whatever ``config.only`` says.

    Left out are those that are not to be run and for which another run has yet to make the demonstrations or the
    tokenizer.

    Raises:
        ValueError: an impossible value: an unknown name, key or task, a run without demonstrations or tokenizer.
    """
    names = list(config.overrides)
    unknown = [name for name in (config.base, *chosen_names(config)) if name not in names]
    if unknown:
        raise ValueError(f"base and only: {', '.join(unknown)} are no variants; there are {', '.join(names)}")
    if bad := [name for name in names if not re.fullmatch(r"\w[\w.-]*", name)]:
        raise ValueError(f"overrides: {bad} are no names of folders; use letters, digits, '_', '-' and '.'")
    if config.parallel_evaluations < 1 or config.steps < 0 or not config.seeds:
        raise ValueError(
            f"parallel_evaluations={config.parallel_evaluations} must be at least 1, steps={config.steps} at least 0, "
            f"and seeds={tuple(config.seeds)} not empty"
        )
    ordered = [config.base, *(name for name in names if name != config.base)]
    sources = {name: _sources(Path(config.run_dir), config.overrides[name]) for name in ordered}
    digests = {}
    for name in ordered:
        try:
            digests[name] = shared_digests(sources[name])
        except (MissingDemonstrations, MissingCheckpointError) as error:
            if name in (config.base, *chosen_names(config)):
                raise ValueError(f"{name!r} has nothing to learn from: {error}") from error
    return [
        _trial(config, read_config, name, seed, sources[name], digests[name])
        for name in digests
        for seed in config.seeds
    ]


def chosen_names(config: AblationSettings) -> list[str]:
    """Names of the policies to run."""
    return config.only.split(",") if config.only else list(config.overrides)


def shared_digests(sources: Mapping[str, Path]) -> dict[str, str]:
    """Digests of what trials share, given the run of each; of demonstrations their files' names and sizes count.

    Raises:
        MissingDemonstrations: there are none.
        MissingCheckpointError: there is no finished tokenizer.
    """
    demonstrations = demonstrations_digest(demonstration_files(sources[DEMOS_FOLDER]))
    return {"demos": demonstrations, **checkpoint_digests(sources["rfsq"], ["rfsq"])}


def _sources(run_dir: Path, changes: Sequence[str]) -> dict[str, Path]:
    """The run from which a policy with `changes` takes each of what is shared."""
    return dict.fromkeys(SHARED, run_dir) | {
        name: Path(folder).expanduser()
        for name, _, folder in (change.partition("=") for change in changes)
        if name in SHARED
    }


def _trial(
    config: AblationSettings,
    read_config: ReadConfig,
    name: str,
    seed: int,
    sources: dict[str, Path],
    shared: Mapping[str, str],
) -> Trial:
    run_dir = Path(config.run_dir)
    folder = run_dir / ABLATION_FOLDER / name / f"seed_{seed}"
    changes = list(config.overrides[name])
    values_changed = [change for change in changes if change.partition("=")[0] not in SHARED]
    judged = {
        how.simulator: evaluation_stage(how, folder, output, DECODER) for output, how in config.evaluations.items()
    }
    training = plan_training(read_config, "policy", config.policy, folder, seed, config.steps, values_changed)
    return Trial(
        name=name,
        seed=seed,
        folder=folder,
        links={name: source / name for name, source in (sources | {ROWS_FOLDER: run_dir}).items()},
        record={
            "policy": f"configs/policy.py:{config.policy}" if config.policy else "configs/policy.py",
            "overrides": changes,
            "steps": config.steps,
            "seed": seed,
            "configuration": training.configuration,
            **shared,
        },
        training=training.stage,
        evaluation=None if config.heldout_only else judged[config.evaluation.simulator],
        further={} if config.heldout_only else {name: judged[name] for name in config.further_simulators},
    )
