"""Where tokenizers are kept: a file of their own, or the checkpoint of the stage that trained them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.checkpoints.array_file import read_array_file, write_array_file
from rsd_jax.checkpoints.errors import CheckpointError
from rsd_jax.checkpoints.stage_checkpoints import load_stage
from rsd_jax.rfsq.autoencoders import Autoencoder

TABLE_ARRAYS = {"offset": np.float32, "step": np.float32, "mode": np.int32, "fold": np.bool_}
"""Fields of a `QuantizerTable` that are arrays, and their types."""

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
    with holding_tokenizer(path):
        if path.is_file() or (path.suffix == FILE_SUFFIX and not path.is_dir()):
            layout, arrays = read_array_file(path)
            normalizer = ActionNormalizer.from_json(arrays["normalizer"])
            return StoredTokenizer(layout, arrays.get("params", {}), arrays["table"], normalizer)
        stage = load_stage(path.parent, path.name)
        facts, variables = TokenizerFacts.from_json(stage.metadata.facts), stage.variables
        return StoredTokenizer(
            facts.layout, variables["params"]["autoencoder"], variables["model_state"]["table"], facts.normalizer
        )


@contextmanager
def holding_tokenizer(path: Path) -> Iterator[None]:
    """Says of `path` that it holds no tokenizer where what is made of it in the block cannot be made.

    Raises:
        CheckpointError: the block lacked something of it, or found what no tokenizer has.
    """
    try:
        yield
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(
            f"{path} holds no tokenizer: {reason}. Use one that `RfsqTokenizer.save` or a training has written, intact"
        ) from error


def check_parts(stored: StoredTokenizer, autoencoder: Autoencoder) -> None:
    """What also a tokenizer without a digest must fulfil.

    Raises:
        KeyError: it lacks a part. ValueError: shapes, types or numbers that no tokenizer has.
    """
    for name in ("num_layers", "num_levels", "chunk_length"):
        if not isinstance(size := stored.layout[name], int) or size < 1:
            raise ValueError(f"{name} is {size!r}; it must be a whole number from 1 on")
    expected = (stored.layout["num_layers"], autoencoder.latent_dim)
    arrays: dict[str, tuple[ArrayLike, type, tuple[int, ...]]] = {
        f"table/{name}": (stored.table[name], dtype, expected) for name, dtype in TABLE_ARRAYS.items()
    }
    for name in ("center", "half_range"):
        arrays[f"normalizer/{name}"] = (getattr(stored.normalizer, name), np.float32, (autoencoder.action_dim,))
    for name, (values, dtype, shape) in arrays.items():
        array = np.asarray(values)
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype.name}{array.shape}; it must be {np.dtype(dtype).name}{shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds numbers that are not finite")
    if not (np.asarray(stored.normalizer.half_range) > 0).all():
        raise ValueError("normalizer/half_range holds a number that is not above 0")
