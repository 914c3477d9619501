"""Loads the tokenizer that a run has trained."""

from pathlib import Path

from rsd_jax.rfsq import RfsqTokenizer

STAGE = "rfsq"
"""Folder of the tokenizer inside a run's folder."""


def load_tokenizer(run_dir: Path | str) -> RfsqTokenizer:
    """Loads the best tokenizer of a run.

    Raises:
        CheckpointError: it is missing or damaged; the message names the command that makes it.
        TokenFormatError: it was saved in another format of tokens.
    """
    return RfsqTokenizer.load(Path(run_dir) / STAGE)
