"""What a comparison of arms trains and evaluates: branches of a run, each with the arms whose networks are its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from eval_bridge.runs.arms.demonstrations import digest_of_demonstrations
from eval_bridge.runs.arms.settings import BRANCH_STAGES, TOKENIZER, ArmsSettings
from eval_bridge.runs.evaluation_stage import evaluation_stage
from eval_bridge.runs.linked_run import LinkedRun
from eval_bridge.runs.stage_process import PipelineStage
from eval_bridge.runs.training import ReadConfig, plan_training
from rsd_jax.run_folder import BRANCH_FOLDER, BRANCH_RECORD, DEMOS_FOLDER, ROWS_FOLDER

_SHARED = (DEMOS_FOLDER, TOKENIZER, ROWS_FOLDER)
"""Folders of the set's run that all branches share by a link."""


@dataclass(frozen=True)
class Branch(LinkedRun):
    """What is trained on one set with one seed, and the arms that act by it.

    Attributes:
        task_set: name of the set. name: of the branch. seed: of its trainings.
        trainings: by stage, in order.
        evaluations: by arm; none where arms are evaluated elsewhere.
        needs: stages that each arm needs.
    """

    task_set: str
    name: str
    seed: int
    trainings: Mapping[str, PipelineStage]
    evaluations: Mapping[str, PipelineStage]
    needs: Mapping[str, Sequence[str]]

    record_name: ClassVar[str] = BRANCH_RECORD

    @property
    def needed_trainings(self) -> dict[str, PipelineStage]:
        """The trainings that some arm needs, in order."""
        needed = {stage for stages in self.needs.values() for stage in stages}
        return {name: stage for name, stage in self.trainings.items() if name in needed}

    def has_result(self, arm: str) -> bool:
        """Whether an arm is evaluated, with what is asked now."""
        evaluation = self.evaluations[arm]
        return self.has_same_record() and evaluation.is_finished(evaluation.output)


@dataclass(frozen=True)
class Plan:
    """Everything that a comparison makes.

    Attributes:
        tokenizers: of the sets, by the set's name.
        branches: of all sets and seeds, in the order in which they begin.
    """

    tokenizers: Mapping[str, PipelineStage]
    branches: Sequence[Branch]

    @property
    def stages(self) -> list[PipelineStage]:
        """All trainings and evaluations."""
        of_branches = (
            stage
            for branch in self.branches
            for stage in (*branch.needed_trainings.values(), *branch.evaluations.values())
        )
        return [*self.tokenizers.values(), *of_branches]


def plan_arms(config: ArmsSettings, read_config: ReadConfig) -> Plan:
    """The plan of the arms to run.

    Raises:
        ValueError: a simulator whose starts are not for choosing, a suite, a task or a key that does not exist.
        MissingDemonstrations: a set has none, and nothing was trained on it before.
    """
    tokenizers, branches = {}, []
    for name in config.chosen_sets:
        run_dir = Path(config.task_set(name).run_dir)
        tokenizer = plan_training(
            read_config,
            TOKENIZER,
            config.variant,
            run_dir,
            seed=0,
            steps=config.steps.get(TOKENIZER, 0),
            changes=config.changes.get(TOKENIZER, ()),
        )
        tokenizers[name] = tokenizer.stage
        shared = {
            "demos": digest_of_demonstrations(run_dir),
            TOKENIZER: tokenizer.configuration,
        }
        branches += [
            _branch(config, read_config, name, branch, seed, shared)
            for seed in config.seeds
            for branch in _branches_to_run(config)
        ]
    return Plan(tokenizers, branches)


def _branches_to_run(config: ArmsSettings) -> list[str]:
    return list(dict.fromkeys(config.arm(name).branch for name in config.chosen))


def _branch(
    config: ArmsSettings, read_config: ReadConfig, task_set: str, name: str, seed: int, shared: Mapping[str, str]
) -> Branch:
    run_dir = Path(config.task_set(task_set).run_dir)
    folder = run_dir / BRANCH_FOLDER / name / f"seed_{seed}"
    given = config.branches[name]
    changes = {stage: given[stage] for stage in BRANCH_STAGES if stage in given}
    trainings = {
        stage: plan_training(
            read_config,
            stage,
            config.variant,
            folder,
            seed,
            steps=config.steps.get(stage, 0),
            changes=(*config.changes.get(stage, ()), *own),
        )
        for stage, own in changes.items()
    }
    arms = {arm: config.arm(arm) for arm in config.chosen if config.arm(arm).branch == name}
    record: dict[str, Any] = {
        "branch": name,
        "seed": seed,
        "changes": {stage: list(own) for stage, own in changes.items()},
        "configurations": {stage: training.configuration for stage, training in trainings.items()},
        **shared,
    }
    return Branch(
        folder=folder,
        links={shared_folder: run_dir / shared_folder for shared_folder in _SHARED},
        record=record,
        task_set=task_set,
        name=name,
        seed=seed,
        trainings={stage: training.stage for stage, training in trainings.items()},
        evaluations={
            each: evaluation_stage(config.evaluation(task_set), folder, each, arm.decoder, arm.settings)
            for each, arm in arms.items()
            if config.parallel_evaluations
        },
        needs={each: arm.stages for each, arm in arms.items()},
    )
