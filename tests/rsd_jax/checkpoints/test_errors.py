import errno
import os
from pathlib import Path

import pytest

from rsd_jax.checkpoints import CheckpointWriteError


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "untouched; free space or choose another --config.run_dir, then repeat"),
        (errno.EDQUOT, "untouched; free space or choose another --config.run_dir, then repeat"),
        (errno.EACCES, "untouched; choose a writable --config.run_dir, then repeat"),
        (errno.EROFS, "untouched; choose a writable --config.run_dir, then repeat"),
        (errno.ENOENT, "untouched; something else changes that folder: end it, or choose another --config.run_dir"),
        (errno.ENOTEMPTY, "untouched; something else changes that folder"),
    ],
)
def test_what_to_do_follows_from_what_went_wrong(number, remedy):
    assert remedy in str(
        CheckpointWriteError(Path("run/policy/latest/00000020"), OSError(number, os.strerror(number)))
    )
