"""Where tokenizers are kept: a file of their own, or the checkpoint of the stage that trained them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.checkpoints.array_file import read_array_file, write_array_file
from rsd_jax.checkpoints.stage_checkpoints import load_stage

FILE_SUFFIX = ".safetensors"
"""By which a file that is missing is told from a folder that is missing; any other file is read too."""


class StoredTokenizer(NamedTuple):
    """A tokenizer as it is kept.

    Attributes:
        layout: `RfsqTokenizer.layout`.
        params: of the autoencoder.
        table: fields of the quantizer's table.
        normalizer: dataset units to [-1, 1].
    """

    layout: Mapping[str, Any]
    params: dict[str, Any]
    table: dict[str, Any]
    normalizer: ActionNormalizer


@dataclass(frozen=True)
class TokenizerFacts:
    """What the checkpoint of a trained tokenizer says beside its arrays.

    Attributes:
        layout: `RfsqTokenizer.layout`.
        normalizer: dataset units to [-1, 1].
        quantizer: `rsd_jax.rfsq.strategies.describe_strategy` of what filled the table; nothing is made of it again.
    """

    layout: Mapping[str, Any]
    normalizer: ActionNormalizer
    quantizer: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """JSON values, as checkpoints keep them."""
        return {"layout": self.layout, "normalizer": self.normalizer.to_json(), "quantizer": self.quantizer}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "TokenizerFacts":
        """Inverse of `to_json`; checkpoints of earlier versions do not tell the quantizer."""
        normalizer = ActionNormalizer.from_json(content["normalizer"])
        return TokenizerFacts(content["layout"], normalizer, content.get("quantizer", {}))


def write(path: Path, stored: StoredTokenizer) -> None:
    """Writes one file; raises as `write_array_file` does."""
    normalizer = {"center": stored.normalizer.center, "half_range": stored.normalizer.half_range}
    arrays = {"params": stored.params, "table": stored.table, "normalizer": normalizer}
    write_array_file(path, arrays, dict(stored.layout))


def read(path: Path) -> StoredTokenizer:
    """Reads a file that `write` has written, or a trained stage's folder, ``RUN/rfsq``.

    Raises:
        CheckpointError: it is missing, damaged, or something else.
    """
    if path.is_file() or (path.suffix == FILE_SUFFIX and not path.is_dir()):
        layout, arrays = read_array_file(path)
        normalizer = ActionNormalizer.from_json(arrays["normalizer"])
        return StoredTokenizer(layout, arrays.get("params", {}), arrays["table"], normalizer)
    stage = load_stage(path.parent, path.name)
    facts, variables = TokenizerFacts.from_json(stage.metadata.facts), stage.variables
    return StoredTokenizer(
        facts.layout, variables["params"]["autoencoder"], variables["model_state"]["table"], facts.normalizer
    )
