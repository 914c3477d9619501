"""The trained models of a run, loaded from its checkpoints and checked to belong together."""

from rsd_jax.stored_models.confidence import StoredConfidence, load_confidence
from rsd_jax.stored_models.draft_policy import load_draft_policy
from rsd_jax.stored_models.early_exit import StoredEarlyExit, load_early_exit
from rsd_jax.stored_models.heads import StoredDraft, StoredMainHead, load_draft, load_main_head
from rsd_jax.stored_models.original_checkpoint import OriginalCheckpoint, load_original, to_tokenizer
from rsd_jax.stored_models.policy import StoredPolicy, load_policy
from rsd_jax.stored_models.tokenizer import load_tokenizer

__all__ = [
    "OriginalCheckpoint",
    "StoredConfidence",
    "StoredDraft",
    "StoredEarlyExit",
    "StoredMainHead",
    "StoredPolicy",
    "load_confidence",
    "load_draft",
    "load_draft_policy",
    "load_early_exit",
    "load_main_head",
    "load_original",
    "load_policy",
    "load_tokenizer",
    "to_tokenizer",
]
