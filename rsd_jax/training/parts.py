"""A training in several parts, each of which began with the weights of the one before: what each of them was."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_jax.checkpoints import CheckpointMetadata
from rsd_jax.checkpoints.stage_checkpoints import checkpoint_digests, read_best_metadata
from rsd_jax.content_check import read_checked_json
from rsd_jax.demos.libero_hdf5 import read_origins
from rsd_jax.pretrained import named_run
from rsd_jax.run_folder import METRICS_NAME, demo_paths


@dataclass(frozen=True)
class CollectedDemonstrations:
    """Demonstrations of one suite, or corrections in one.

    Attributes:
        folder: their name among the run's.
        demonstrations: how many. in_layouts: of them, in a layout of its own instead of the task's.
        first_seed, last_seed: the smallest and the largest seed; None for demonstrations that tell none.
    """

    folder: str
    demonstrations: int
    in_layouts: int
    first_seed: int | None
    last_seed: int | None


@dataclass(frozen=True)
class TrainingPart:
    """One part of a stage's training.

    Attributes:
        run: its folder, or what the shipped checkpoint is called, as it was named.
        stage: name of the stage.
        checkpoint: digest of its best checkpoint (`checkpoint_digests`), whose weights the next part begins with.
        steps: optimizer steps. best_step: the one whose weights were kept.
        seconds: of its training; of a checkpoint without its run, until those weights.
        device, num_devices: that it ran on, so that seconds times `num_devices` are seconds of such devices; None of
            a checkpoint without its run.
        demonstrations: that its run has, a suite each; None of a checkpoint without them.
    """

    run: str
    stage: str
    checkpoint: str
    steps: int
    best_step: int
    seconds: float
    device: str | None
    num_devices: int | None
    demonstrations: Sequence[CollectedDemonstrations] | None


def read_parts(run: str, stage: str) -> list[dict[str, Any]]:
    """All parts of a stage's training as JSON values, fields of `TrainingPart`, the first one first and itself last.

    Args:
        run: folder of the run, or a shipped checkpoint (`named_run`).
        stage: name of the stage.

    Raises:
        CheckpointError: the stage has no checkpoint, or a damaged one.
        DemoFileError: demonstrations of the run are damaged.
    """
    folder = named_run(run)
    metadata = read_best_metadata(folder, stage)
    return [*metadata.parts, asdict(_part(run, folder, metadata, stage))]


def _part(run: str, folder: Path, metadata: CheckpointMetadata, stage: str) -> TrainingPart:
    metrics = folder / stage / METRICS_NAME
    facts = read_checked_json(metrics)["training"] if metrics.is_file() else {}
    return TrainingPart(
        run=run,
        stage=stage,
        checkpoint=checkpoint_digests(folder, [stage])[stage],
        steps=metadata.config.get("training", {}).get("steps", metadata.step),
        best_step=metadata.step,
        seconds=facts.get("seconds", metadata.seconds),
        device=facts.get("device"),
        num_devices=facts.get("num_devices"),
        demonstrations=collected_demonstrations(folder) or None,
    )


def collected_demonstrations(run_dir: Path) -> list[CollectedDemonstrations]:
    """What demonstrations a run has, a suite each; none where there are none.

    Raises:
        DemoFileError: a file is damaged.
    """
    by_folder: dict[str, list[Path]] = {}
    for path in demo_paths(run_dir):
        by_folder.setdefault(path.parent.name, []).append(path)
    found = []
    for folder, paths in by_folder.items():
        origins = [origin for path in paths for origin in read_origins(path)]
        seeds = [origin.seed for origin in origins if origin.seed is not None]
        found.append(
            CollectedDemonstrations(
                folder=folder,
                demonstrations=len(origins),
                in_layouts=sum(origin.is_in_layout for origin in origins),
                first_seed=min(seeds, default=None),
                last_seed=max(seeds, default=None),
            )
        )
    return found
