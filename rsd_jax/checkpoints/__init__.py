"""Checkpoints of training stages: atomic, verified on reading, with their provenance."""

from rsd_jax.checkpoints.errors import (
    CheckpointError,
    CheckpointWriteError,
    DamagedCheckpointError,
    FormatVersionError,
    MissingCheckpointError,
    TokenizerMismatchError,
)
from rsd_jax.checkpoints.metadata import CheckpointMetadata
from rsd_jax.checkpoints.stage_checkpoints import LoadedStage, StageCheckpoints, load_stage

__all__ = [
    "CheckpointError",
    "CheckpointMetadata",
    "CheckpointWriteError",
    "DamagedCheckpointError",
    "FormatVersionError",
    "LoadedStage",
    "MissingCheckpointError",
    "StageCheckpoints",
    "TokenizerMismatchError",
    "load_stage",
]
