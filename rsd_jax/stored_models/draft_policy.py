"""The draft policy of a run: a small policy that acts in place of the main one where a rule lets it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_jax.checkpoints import load_stage
from rsd_jax.stored_models.policy import PolicyMismatchError, StoredPolicy, stored_policy
from rsd_jax.stored_models.policy_facts import PolicyFacts


@dataclass(frozen=True)
class DraftPolicyFacts:
    """What the checkpoint of a draft policy says beside its arrays.

    Attributes:
        policy: of itself, as every policy's.
        main_hash: `StoredPolicy.params_hash` of the main policy whose actions it learned.
    """

    policy: PolicyFacts
    main_hash: str

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        return {**self.policy.to_json(), "main_hash": self.main_hash}

    @staticmethod
    def main_hash_of(content: Mapping[str, Any]) -> str | None:
        """The main policy's hash among the facts of a checkpoint; None where it says none."""
        return content.get("main_hash")


def load_draft_policy(run_dir: Path | str, main: StoredPolicy) -> StoredPolicy:
    """Loads the best draft policy of a run, which learned from `main`.

    Raises:
        CheckpointError: it is missing or damaged, was trained with other conventions, or learned from another policy.
    """
    stage = load_stage(run_dir, "draft_policy")
    if (learned_from := DraftPolicyFacts.main_hash_of(stage.metadata.facts)) != main.params_hash:
        raise PolicyMismatchError(
            f"stage 'draft_policy' learned from policy {learned_from}, but the run's policy is {main.params_hash}; "
            "move the stage's folder away and train it again: python -m launch.train --config configs/draft_policy.py"
        )
    return stored_policy(stage, stage.metadata.facts, run_dir)
