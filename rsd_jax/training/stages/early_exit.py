"""The early exit's stage: a head on the first blocks of the main policy's backbone learns that policy's actions."""

from dataclasses import dataclass
from pathlib import Path

import jax

from rsd_jax.array_types import Actions, PyTree
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.instruction_table import InstructionTable
from rsd_jax.heads.early_exit_head import EarlyExitConfig, EarlyExitHead
from rsd_jax.policy_network import BACKBONE, HEAD
from rsd_jax.rfsq import RfsqTokenizer
from rsd_jax.stored_models import load_policy, load_tokenizer
from rsd_jax.stored_models.early_exit import EarlyExitFacts, EarlyExitPolicy
from rsd_jax.stored_models.policy import PolicyVariables, StoredPolicy
from rsd_jax.training.demonstrations import instructions
from rsd_jax.training.draft_inputs import SEEN
from rsd_jax.training.objectives.behaviour_cloning import policy_inputs
from rsd_jax.training.objectives.distillation import DistillationConstants
from rsd_jax.training.objectives.early_exit_distillation import EarlyExitDistillation
from rsd_jax.training.objectives.interface import Stage
from rsd_jax.training.policy_rows import PolicyRows, policy_rows_of
from rsd_jax.training.stages.draft_evaluation import DraftEvaluation


@dataclass(frozen=True)
class EarlyExitSettings:
    """Settings of the early exit's stage.

    Attributes:
        head: see `EarlyExitConfig`.
        augmentation: random changes of what the main policy is given.
        rewordings: of every instruction.
        compute_dtype, worst_weight: see `EarlyExitDistillation`.
    """

    head: EarlyExitConfig
    augmentation: AugmentationConfig
    rewordings: int
    compute_dtype: str
    worst_weight: float

    def build(self, run_dir: Path) -> Stage:
        """Every step of the demonstrations, as the run's frozen policy acts there.

        Raises:
            CheckpointError: the tokenizer or the policy is missing or damaged.
            ValueError: the policy's backbone cannot be left after so many blocks.
        """
        tokenizer, main = load_tokenizer(run_dir), load_policy(run_dir)
        rows = policy_rows_of(run_dir, main.backbone, main.heldout_every)
        encode = main.backbone.encode_instruction
        words = InstructionTable.of(instructions(run_dir), self.rewordings, "training", encode)
        return early_exit_stage(self, tokenizer, main, rows, words)


def early_exit_stage(
    settings: EarlyExitSettings,
    tokenizer: RfsqTokenizer,
    main: StoredPolicy,
    rows: PolicyRows,
    words: InstructionTable,
) -> Stage:
    """The stage that trains a head to act like `main` on rows at hand.

    Raises:
        ValueError: the backbone of `main` cannot be left after so many blocks.
    """
    policy = EarlyExitPolicy(main, EarlyExitHead(settings.head))
    train, heldout = ({name: part[name] for name in SEEN} for part in (rows.train, rows.heldout))
    objective = EarlyExitDistillation(
        settings.head, main.network, settings.augmentation, settings.compute_dtype, settings.worst_weight
    )
    facts = EarlyExitFacts(
        model=settings.head,
        main_hash=main.params_hash,
        tokenizer_hash=tokenizer.token_hash,
        augmentation=settings.augmentation.to_json(),
        rewordings=settings.rewordings,
        compute_dtype=settings.compute_dtype,
        worst_weight=settings.worst_weight,
    )

    def act(learnt: PyTree, of_main: PolicyVariables, batch: dict[str, jax.Array]) -> Actions:
        return policy.actions(learnt, of_main, policy.tokens(of_main, policy_inputs(batch)))

    params = {BACKBONE: main.variables.backbone, HEAD: main.variables.head}
    return Stage(
        name="early_exit",
        objective=objective,
        frozen=DistillationConstants(main.variables.proprio, words, params),
        rows=train,
        evaluate=DraftEvaluation(act, main, tokenizer, heldout),
        best_metric="heldout_distance",
        metadata=facts.to_json(),
    )
