"""What can be wrong with a checkpoint. Every message names the place and the fix."""

import errno
from pathlib import Path


class CheckpointError(ValueError):
    """A checkpoint cannot be read, written or used."""


class MissingCheckpointError(CheckpointError):
    """There is no checkpoint where one is needed."""

    def __init__(self, directory: Path, stage: str, run_dir: Path) -> None:
        """Names the stage that makes the missing checkpoint and the command that runs it."""
        super().__init__(
            f"no checkpoint of stage {stage!r} in {directory}; train the stage with\n"
            f"    python -m launch.train --config configs/{stage}.py --config.run_dir={run_dir}"
        )


class DamagedCheckpointError(CheckpointError):
    """Files of a checkpoint are missing, truncated or altered."""

    def __init__(self, checkpoint: Path, reason: str) -> None:
        """Names the checkpoint and what is wrong with it."""
        super().__init__(
            f"checkpoint {checkpoint} is damaged: {reason}. Put back an intact copy, or move this folder away from "
            f"{checkpoint.parent}; where that then holds no checkpoint, train the stage again"
        )


class FormatVersionError(CheckpointError):
    """A checkpoint was written in another format."""


class TokenizerMismatchError(CheckpointError):
    """A model was trained on the tokens of another tokenizer."""


class CheckpointWriteError(CheckpointError):
    """A checkpoint could not be written; nothing of it was kept."""

    def __init__(self, checkpoint: Path, cause: Exception) -> None:
        """Names the checkpoint and the cause."""
        super().__init__(
            f"cannot write checkpoint {checkpoint}: {cause}. Nothing of it was kept and earlier checkpoints are "
            f"untouched; {_remedy(cause)}, then repeat the command: it goes on from the latest checkpoint"
        )


def _remedy(cause: Exception) -> str:
    if isinstance(cause, FileNotFoundError | FileExistsError) or _number(cause) == errno.ENOTEMPTY:
        return "something else changes that folder: end it, or choose another --config.run_dir"
    if isinstance(cause, PermissionError) or _number(cause) == errno.EROFS:
        return "choose a writable --config.run_dir"
    if _number(cause) in (errno.ENOSPC, errno.EDQUOT):
        return "free space or choose another --config.run_dir"
    return "free space or choose a writable --config.run_dir"  # Orbax does not tell what the trouble is


def _number(cause: Exception) -> int | None:
    return cause.errno if isinstance(cause, OSError) else None
