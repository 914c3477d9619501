"""Where tokenizers are kept: a file of their own, or the checkpoint of the stage that trained them."""

from pathlib import Path
from typing import Any, NamedTuple

from rsd_jax.checkpoints.array_file import read_array_file, write_array_file
from rsd_jax.checkpoints.stage_checkpoints import load_stage


class StoredTokenizer(NamedTuple):
    """A tokenizer as it is kept.

    Attributes:
        layout: `RfsqTokenizer.layout`.
        params: of the autoencoder.
        table: fields of the quantizer's table.
        normalizer: fields of the normalizer.
    """

    layout: dict[str, Any]
    params: dict[str, Any]
    table: dict[str, Any]
    normalizer: dict[str, Any]


def write(path: Path, stored: StoredTokenizer) -> None:
    """Writes one file; raises as `write_array_file` does."""
    arrays = stored._asdict()
    layout = arrays.pop("layout")
    write_array_file(path, arrays, layout)


def read(path: Path) -> StoredTokenizer:
    """Reads a file that `write` has written, or a trained stage's folder, ``RUN/rfsq``.

    Raises:
        CheckpointError: it is missing, damaged, or something else.
    """
    if path.is_file() or path.suffix:
        layout, arrays = read_array_file(path)
        return StoredTokenizer(layout, arrays.get("params", {}), arrays["table"], arrays["normalizer"])
    stage = load_stage(path.parent, path.name)
    facts, variables = stage.metadata.facts, stage.variables
    return StoredTokenizer(
        facts["layout"], variables["params"]["autoencoder"], variables["model_state"]["table"], facts["normalizer"]
    )
