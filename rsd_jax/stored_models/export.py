"""Copies of what a run has trained, to hand on."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rsd_jax.atomic_files import whole_folder
from rsd_jax.checkpoints.stage_checkpoints import StageCheckpoints
from rsd_jax.run_folder import CASCADE_STAGES, EARLY_EXIT_STAGES, TRAINED_STAGES
from rsd_jax.stored_models.confidence import load_confidence
from rsd_jax.stored_models.draft_policy import load_draft_policy
from rsd_jax.stored_models.early_exit import load_early_exit
from rsd_jax.stored_models.heads import load_draft, load_main_head
from rsd_jax.stored_models.policy import load_policy
from rsd_jax.stored_models.tokenizer import load_tokenizer


def export_checkpoint(run_dir: Path, target: Path) -> int:
    """Writes the best checkpoints of `run_dir` into `target`, which must not exist, and returns their size in bytes.

    Those of the cascade and of the early exit are among them where the run has trained them.

    Raises:
        CheckpointError: a stage is missing, damaged or cannot be written, or stages do not belong together.
        ValueError: `target` exists.
        OSError: `target` cannot be written. Whatever is raised, nothing half-written remains.
    """
    if target.exists():
        raise ValueError(f"target={target} exists; name another folder, or move it away")
    tokenizer, policy = load_tokenizer(run_dir), load_policy(run_dir)
    load_draft(run_dir, tokenizer.token_hash, policy)
    load_main_head(run_dir, tokenizer.token_hash, policy)
    stages: tuple[str, ...] = TRAINED_STAGES
    if _has_any(run_dir, CASCADE_STAGES):
        load_confidence(run_dir, load_draft_policy(run_dir, policy))
        stages = (*stages, *CASCADE_STAGES)
    if _has_any(run_dir, EARLY_EXIT_STAGES):
        load_early_exit(run_dir, policy)
        stages = (*stages, *EARLY_EXIT_STAGES)
    with whole_folder(target) as folder:
        for name in stages:
            best = StageCheckpoints(run_dir / name).find("best")
            assert best is not None  # it was loaded
            shutil.copytree(best, folder / best.relative_to(run_dir))
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def _has_any(run_dir: Path, stages: Sequence[str]) -> bool:
    return any(StageCheckpoints(run_dir / name).find("best") is not None for name in stages)
