"""Copies what a run has trained into a folder of its own, to hand on: the best checkpoint of every stage.

    python -m launch.export_checkpoint runs/libero_spatial rsd_jax/pretrained/libero_spatial

The target is a run's folder itself: ``--config.run_dir=TARGET`` evaluates it. Checkpoints are checked to belong
together and copied byte for byte: evaluations of the run and of the copy name the same digests.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rsd_jax.checkpoints import CheckpointError, StageCheckpoints
from rsd_jax.stored_models import load_draft, load_main_head, load_policy, load_tokenizer
from rsd_jax.training.stages import STAGE_NAMES


def export_checkpoint(run_dir: Path, target: Path) -> int:
    """Writes the best checkpoints of `run_dir` into `target`, which must not exist, and returns their size in bytes.

    Raises:
        CheckpointError: a stage is missing, damaged or cannot be written, or stages do not belong together.
        ValueError: `target` exists.
        OSError: `target` cannot be written. Whatever is raised, nothing half-written remains.
    """
    if target.exists():
        raise ValueError(f"target={target} exists; remove it or name another folder")
    tokenizer, policy = load_tokenizer(run_dir), load_policy(run_dir)
    load_draft(run_dir, tokenizer.token_hash, policy)
    load_main_head(run_dir, tokenizer.token_hash, policy)
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by an export that was killed
    try:
        for name in STAGE_NAMES:
            best = StageCheckpoints(run_dir / name).find("best")
            assert best is not None  # it was loaded
            shutil.copytree(best, partial / best.relative_to(run_dir))
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.export_checkpoint", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder of a run with all stages trained")
    parser.add_argument("target", type=Path, metavar="TARGET", help="new folder")
    options = parser.parse_args(arguments)
    try:
        size = export_checkpoint(options.run_dir, options.target)
    except (CheckpointError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"{size / 2**20:.1f} MiB in {options.target}")


if __name__ == "__main__":
    main(sys.argv[1:])
