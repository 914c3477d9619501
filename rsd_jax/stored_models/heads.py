"""The draft model and the main head of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd_jax.array_types import PyTree
from rsd_jax.checkpoints import LoadedStage, load_stage, require_tokenizer
from rsd_jax.heads.draft_model import DraftConfig, DraftModel
from rsd_jax.heads.main_head import MainHead, MainHeadConfig
from rsd_jax.stored_models.policy import StoredPolicy, require_policy


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
    stage = _load_head(run_dir, "draft", tokenizer_hash, policy)
    return StoredDraft(DraftModel(DraftConfig(**_sizes(stage))), stage.variables["params"])


def load_main_head(run_dir: Path | str, tokenizer_hash: str, policy: StoredPolicy) -> StoredMainHead:
    """Loads the best main head of a run; raises as `load_draft` does."""
    stage = _load_head(run_dir, "main_head", tokenizer_hash, policy)
    return StoredMainHead(MainHead(MainHeadConfig(**_sizes(stage))), stage.variables["params"])


def _load_head(run_dir: Path | str, name: str, tokenizer_hash: str, policy: StoredPolicy) -> LoadedStage:
    stage = load_stage(run_dir, name)
    require_tokenizer(stage.metadata, tokenizer_hash)
    require_policy(stage.metadata, policy)
    return stage


def _sizes(stage: LoadedStage) -> dict[str, Any]:
    return dict(stage.metadata.facts["model"])
