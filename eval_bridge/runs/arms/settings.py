"""What a comparison of arms is asked for, as ``configs/what_tokens_buy.py`` explains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval_bridge.policies.decoders import read_decoder
from eval_bridge.runs.development import DevelopmentEvaluation
from rsd_jax.registry import to_dataclass

TOKENIZER = "rfsq"
"""Trained once a set, for all branches."""

BRANCH_STAGES = ("policy", "main_head", "draft")
"""What branches train, in this order."""


@dataclass(frozen=True)
class TaskSet:
    """Demonstrations, and where what is learned from them is judged.

    Attributes:
        run_dir: whose demonstrations are used. suite: name of the suite. tasks: indices; () means all.
        episodes_per_task: development starts of each.
    """

    run_dir: str
    suite: str
    tasks: tuple[int, ...]
    episodes_per_task: int


@dataclass(frozen=True)
class Arm:
    """A row of the table.

    Attributes:
        branch: whose networks act.
        decoder: how they do. settings: of it, as configurations write them (`read_decoder`).
        settings_tried: of training and decoding, these included: stands beside the figures.
    """

    branch: str
    decoder: str
    settings: str
    settings_tried: int = 1

    @property
    def stages(self) -> tuple[str, ...]:
        """Training stages that it needs."""
        return read_decoder(self.decoder, self.settings).stages


@dataclass(frozen=True)
class ArmsSettings:
    """What is compared.

    Attributes:
        out: file of the results.
        sets: fields of `TaskSet`, by name.
        variant: of every stage's configuration.
        steps: optimizer steps by stage, of all branches alike; without, or with 0, the configuration's.
        changes: of all branches alike, as KEY=VALUE of a stage's configuration, by stage.
        branches: what is trained, by name: for each of its stages what it changes there, as KEY=VALUE. The tokenizer
            is the set's, and no branch's.
        arms: fields of `Arm`, by name.
        base: the arm that the others are compared with.
        only: names of the arms to run, with commas; empty for all.
        only_sets: likewise of the sets.
        seeds: of the trainings.
        simulator: one of `development.SIMULATORS`.
        parallel_trainings, parallel_evaluations: processes of each kind at the same time; without evaluations, where
            what is trained here is evaluated elsewhere, 0 of them.
        workers: simulators of one evaluation; 0 means one per core.

    Raises:
        ValueError: on construction, for a name that does not exist or a number out of range.
    """

    out: str
    sets: Mapping[str, Mapping[str, Any]]
    variant: str
    steps: Mapping[str, int]
    changes: Mapping[str, tuple[str, ...]]
    branches: Mapping[str, Mapping[str, tuple[str, ...]]]
    arms: Mapping[str, Mapping[str, Any]]
    base: str
    only: str
    only_sets: str
    seeds: tuple[int, ...]
    simulator: str
    parallel_trainings: int
    parallel_evaluations: int
    workers: int

    def __post_init__(self) -> None:
        if not self.out.endswith(".json"):
            raise ValueError(f"out={self.out!r} must end in .json")
        if self.parallel_trainings < 1 or self.parallel_evaluations < 0 or not self.seeds or not self.sets:
            raise ValueError(
                f"parallel_trainings={self.parallel_trainings} must be at least 1, parallel_evaluations="
                f"{self.parallel_evaluations} at least 0, seeds={tuple(self.seeds)} and sets={list(self.sets)} not "
                "empty"
            )
        if unknown := [name for name in self.chosen_sets if name not in self.sets]:
            raise ValueError(f"only_sets: {', '.join(unknown)} are no sets; there are {', '.join(self.sets)}")
        names = list(self.arms)
        if unknown := [name for name in (self.base, *self.chosen) if name not in names]:
            raise ValueError(f"base and only: {', '.join(unknown)} are no arms; there are {', '.join(names)}")
        known = (TOKENIZER, *BRANCH_STAGES)
        of_branches = [name for changes in self.branches.values() for name in changes]
        for where, given, allowed in (
            ("steps", self.steps, known),
            ("changes", self.changes, known),
            ("branches", of_branches, BRANCH_STAGES),
        ):
            if unknown := [name for name in given if name not in allowed]:
                raise ValueError(f"{where}: {', '.join(unknown)} are no stages of {', '.join(allowed)}")
        for name in names:
            arm = self.arm(name)
            if arm.branch not in self.branches:
                raise ValueError(f"arms.{name}.branch={arm.branch!r} must be one of {', '.join(self.branches)}")
            missing = set(arm.stages) - {TOKENIZER, *self.branches[arm.branch]}
            if missing:
                raise ValueError(
                    f"arms.{name}: the decoder {arm.decoder} needs {', '.join(sorted(missing))}, which branch "
                    f"{arm.branch!r} does not train; add it to branches.{arm.branch}"
                )

    @property
    def chosen(self) -> list[str]:
        """Names of the arms to run, the base first: it is what the others are compared with."""
        chosen = self.only.split(",") if self.only else list(self.arms)
        return sorted(chosen, key=lambda name: name != self.base)

    @property
    def chosen_sets(self) -> list[str]:
        """Names of the sets to run."""
        return self.only_sets.split(",") if self.only_sets else list(self.sets)

    def arm(self, name: str) -> Arm:
        """The arm of that name; raises ValueError for a missing or unknown field, or a decoder that does not exist."""
        return to_dataclass(Arm, self.arms[name])

    def task_set(self, name: str) -> TaskSet:
        """The set of that name; raises ValueError for a missing or unknown field."""
        return to_dataclass(TaskSet, self.sets[name])

    def evaluation(self, name: str) -> DevelopmentEvaluation:
        """How the arms of a set are judged; raises ValueError for a simulator whose starts are not for choosing."""
        tasks = self.task_set(name)
        return DevelopmentEvaluation(self.simulator, tasks.suite, tasks.tasks, tasks.episodes_per_task, self.workers)
