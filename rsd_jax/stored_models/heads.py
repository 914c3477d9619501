"""The draft model and the main head of a run."""

from dataclasses import dataclass
from pathlib import Path

from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import LoadedStage, TokenizerMismatchError, load_stage
from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.stored_models.head_facts import HeadFacts, Sizes
from rsd_jax.stored_models.known_network import known_network
from rsd_jax.stored_models.policy import PolicyMismatchError, StoredPolicy


@dataclass(frozen=True)
class StoredDraft:
    """A trained draft model: the network and its parameters."""

    model: DraftModel
    params: PyTree


@dataclass(frozen=True)
class StoredMainHead:
    """A trained main head: the network and its parameters."""

    model: MainHead
    params: PyTree


def load_draft(run_dir: Path | str, tokenizer_hash: str, policy: StoredPolicy) -> StoredDraft:
    """Loads the best draft model of a run.

    Raises:
        CheckpointError: it is missing or damaged, or was trained with another tokenizer or another policy.
    """
    stage = load_stage(run_dir, "draft")
    facts = _facts(stage, DraftConfig, tokenizer_hash, policy)
    return StoredDraft(DraftModel(facts.model), stage.variables["params"])


def load_main_head(run_dir: Path | str, tokenizer_hash: str, policy: StoredPolicy) -> StoredMainHead:
    """Loads the best main head of a run; raises as `load_draft` does."""
    stage = load_stage(run_dir, "main_head")
    facts = _facts(stage, MainHeadConfig, tokenizer_hash, policy)
    return StoredMainHead(MainHead(facts.model), stage.variables["params"])


def _facts(stage: LoadedStage, sizes: type[Sizes], tokenizer_hash: str, policy: StoredPolicy) -> HeadFacts[Sizes]:
    """The facts of a head that was trained with this tokenizer and on this policy's features.

    Raises:
        TokenizerMismatchError, PolicyMismatchError: it was trained with another.
        CheckpointError: its network is of another version.
    """
    name = stage.metadata.stage
    train = f"python -m launch.train --config configs/{name}.py"
    with known_network(name, f"move its folder away and train it again: {train}"):
        facts = HeadFacts.from_json(stage.metadata.facts, sizes)
    if facts.tokenizer_hash != tokenizer_hash:
        raise TokenizerMismatchError(
            f"stage {name!r} was trained with tokenizer {facts.tokenizer_hash}, but the tokenizer given is "
            f"{tokenizer_hash}; use the tokenizer of the same run folder, or move the stage's folder away and "
            f"train it again: {train}"
        )
    if facts.policy_hash != policy.params_hash:
        raise PolicyMismatchError(
            f"stage {name!r} was trained on the features of policy {facts.policy_hash}, but the run's policy is "
            f"{policy.params_hash}; move the stage's folder away and train it again: {train}"
        )
    return facts
