"""What an ablation trains and evaluates: its trials, each a policy in a folder of its own, and their commands."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from eval_bridge.evaluation.benchmarks import get_benchmark
from eval_bridge.evaluation.episode_log import read_episode_log
from eval_bridge.evaluation.plan import EpisodeId, EvaluationPlan, plan_evaluation
from eval_bridge.runs.stage_process import PipelineStage
from rsd_jax.checkpoints.errors import MissingCheckpointError
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests
from rsd_jax.content_check import read_checked_json, write_checked_json
from rsd_jax.run_folder import (
    ABLATION_EVALUATION,
    ABLATION_FOLDER,
    ABLATION_RECORD,
    DEMOS_FOLDER,
    LOG_NAME,
    METRICS_NAME,
    REPORT_NAME,
    ROWS_FOLDER,
    SUMMARY_NAME,
)
from rsd_jax.training.demonstrations import MissingDemonstrations, demonstration_files

POLICY_CONFIG, EVALUATION_CONFIG = "configs/policy.py", "configs/libero_eval.py"
DECODER = "l1_regression"
SIMULATORS = ("libero_development", "point_mass")
"""Where policies may be chosen: none of these starts in a state that results are published on."""

SHARED = (DEMOS_FOLDER, "rfsq")
"""Folders of the run that its trials need and share by a link; ``demos=RUN_DIR`` takes those of another run."""


ReadConfig = Callable[[str, Sequence[str]], Mapping[str, Any]]
"""Reads ``FILE[:variant]`` with overrides ``--config.KEY=VALUE``: nested values, or ValueError for a misspelt key."""


@dataclass(frozen=True)
class DevelopmentEvaluation:
    """How policies are judged.

    Attributes:
        simulator: one of `SIMULATORS`. suite: name of the suite.
        tasks: indices of the tasks; () means all.
        episodes_per_task: starts of each.
        workers: processes with a simulator each; 0 means one per core.
    """

    simulator: str
    suite: str
    tasks: tuple[int, ...]
    episodes_per_task: int
    workers: int


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


@dataclass(frozen=True)
class Trial:
    """One policy with one seed.

    Attributes:
        name: of the policy's variant.
        seed: of its training.
        folder: its run folder.
        links: what lies behind links there: what it shares by name, and the rows that the first training cuts from
            the demonstrations, for all others.
        record: what it is trained with, as JSON values.
        training: makes ``policy/``.
        evaluation: makes ``development/``; None if only held-out episodes judge.
    """

    name: str
    seed: int
    folder: Path
    links: Mapping[str, Path]
    record: Mapping[str, Any]
    training: PipelineStage
    evaluation: PipelineStage | None

    @property
    def is_complete(self) -> bool:
        """Whether everything is there, made with what is asked now."""
        stages = [stage for stage in (self.training, self.evaluation) if stage is not None]
        return self._has_same_record() and all(stage.is_finished(stage.output) for stage in stages)

    def prepare(self) -> None:
        """Makes the folder with its record and its links to what the run shares.

        Raises:
            ValueError: the folder holds a policy that was trained with something else.
            OSError: the folder cannot be written.
        """
        if (self.folder / ABLATION_RECORD).exists() and not self._has_same_record():
            found = read_checked_json(self.folder / ABLATION_RECORD)
            different = [key for key in self.record if self.record[key] != found.get(key)]
            raise ValueError(
                f"{self.folder} was trained with other values of {', '.join(different)} "
                f"({', '.join(repr(found.get(key)) for key in different)}): give the variant another name, or move "
                "the folder away"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.links[ROWS_FOLDER].mkdir(exist_ok=True)
        for name, source in self.links.items():
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(os.path.relpath(source, self.folder), target_is_directory=True)
        write_checked_json(self.folder / ABLATION_RECORD, self.record, indent=1)

    def _has_same_record(self) -> bool:
        path = self.folder / ABLATION_RECORD
        return path.exists() and read_checked_json(path) == self.record


def plan_trials(config: AblationSettings, read_config: ReadConfig) -> list[Trial]:
    """All trials that `config` describes, the base's first, whatever ``config.only`` says.

    Left out are those that are not to be run and for which another run has yet to make the demonstrations or the
    tokenizer.

    Raises:
        ValueError: an impossible value: a simulator whose starts are not for choosing, an unknown name, key or task, a
            run without demonstrations or tokenizer.
    """
    if config.evaluation.simulator not in SIMULATORS:
        raise ValueError(
            f"evaluation.simulator={config.evaluation.simulator!r} must be one of {', '.join(SIMULATORS)}: nothing "
            "may be chosen by success on the evaluation states"
        )
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
    episodes = () if config.heldout_only else _episodes(config.evaluation)
    return [
        _trial(config, read_config, name, seed, episodes, sources[name], digests[name])
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
    files = [
        f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in demonstration_files(sources[DEMOS_FOLDER])
    ]
    demonstrations = hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]
    return {"demos": demonstrations, **checkpoint_digests(sources["rfsq"], ["rfsq"])}


def _sources(run_dir: Path, changes: Sequence[str]) -> dict[str, Path]:
    """The run from which a policy with `changes` takes each of what is shared."""
    return dict.fromkeys(SHARED, run_dir) | {
        name: Path(folder).expanduser()
        for name, _, folder in (change.partition("=") for change in changes)
        if name in SHARED
    }


def _episodes(evaluation: DevelopmentEvaluation) -> tuple[EpisodeId, ...]:
    benchmark = get_benchmark(evaluation.simulator, evaluation.suite)
    plan = EvaluationPlan(evaluation.tasks, evaluation.episodes_per_task, seed=0)
    return plan_evaluation(benchmark, plan).episodes


def _trial(
    config: AblationSettings,
    read_config: ReadConfig,
    name: str,
    seed: int,
    episodes: tuple[EpisodeId, ...],
    sources: dict[str, Path],
    shared: Mapping[str, str],
) -> Trial:
    run_dir = Path(config.run_dir)
    folder = run_dir / ABLATION_FOLDER / name / f"seed_{seed}"
    source = f"{POLICY_CONFIG}:{config.policy}" if config.policy else POLICY_CONFIG
    changes = list(config.overrides[name])
    values_changed = [change for change in changes if change.partition("=")[0] not in SHARED]
    arguments = [f"--config.{change}" for change in (*_length(read_config, source, config.steps), *values_changed)]
    # A misspelt key is an error before anything is trained.
    values = json.dumps(read_config(source, arguments), sort_keys=True)
    train = [*_python("launch.train", source, folder), f"--config.seed={seed}", *arguments]
    evaluation = PipelineStage(
        "development",
        folder / ABLATION_EVALUATION,
        # Beside a training, which takes most of a GPU's memory at once.
        ["env", "XLA_PYTHON_CLIENT_PREALLOCATE=false", *_evaluate(config.evaluation, folder)],
        partial(_holds_evaluation, of=config.evaluation, episodes=episodes),
    )
    return Trial(
        name=name,
        seed=seed,
        folder=folder,
        links={name: source / name for name, source in (sources | {ROWS_FOLDER: run_dir}).items()},
        record={
            "policy": source,
            "overrides": changes,
            "steps": config.steps,
            "seed": seed,
            # Overrides say little if the values that they were applied to have changed.
            "configuration": hashlib.sha256(values.encode()).hexdigest()[:16],
            **shared,
        },
        training=PipelineStage("policy", folder / "policy", train, _is_trained),
        evaluation=evaluation if episodes else None,
    )


def _python(module: str, source: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", module, "--config", source, f"--config.run_dir={folder}"]


def _evaluate(evaluation: DevelopmentEvaluation, folder: Path) -> list[str]:
    values: dict[str, Any] = asdict(evaluation) | {
        "tasks": f"({''.join(f'{task},' for task in evaluation.tasks)})",
        "output": ABLATION_EVALUATION,
        "decoder": DECODER,
        "video.per_task": 0,
        "latency_repeats": 0,
    }
    overrides = [f"--config.{key}={value}" for key, value in values.items()]
    return [*_python("launch.evaluate", EVALUATION_CONFIG, folder), *overrides]


def _length(read_config: ReadConfig, source: str, steps: int) -> list[str]:
    """Overrides for another number of steps: the periods must not be longer."""
    if not steps:
        return []
    training = read_config(source, ())["training"]
    shortened = {
        "warmup_steps": min(training["warmup_steps"], steps // 10),
        "evaluate_every": min(training["evaluate_every"], steps),
        "checkpoint_every": min(training["checkpoint_every"], steps),
        "steps_per_dispatch": min(training["steps_per_dispatch"], steps),
    }
    return [f"training.steps={steps}", *(f"training.{key}={value}" for key, value in shortened.items())]


def _is_trained(output: Path) -> bool:
    return (output / METRICS_NAME).is_file()


def _holds_evaluation(output: Path, of: DevelopmentEvaluation, episodes: Sequence[EpisodeId]) -> bool:
    """Whether all of `episodes` have a result of the policy that lies beside them, and the report is written."""
    if not (output / SUMMARY_NAME).is_file() or not (output / REPORT_NAME).is_file():
        return False
    if not _is_trained(output.parent / "policy"):
        return False
    summary = read_checked_json(output / SUMMARY_NAME)
    tasks = {task["task_index"] for task in summary["per_task"]}
    return bool(
        (summary["simulator"], summary["suite"]) == (of.simulator, of.suite)
        and summary["episodes"] == summary["planned"] == len(episodes)
        and tasks == {episode.task_index for episode in episodes}
        and read_episode_log(output / LOG_NAME).checkpoints["policy"]
        == checkpoint_digests(output.parent, ["policy"])["policy"]
    )
