"""The tokenizer that users hold: action chunks to tokens and back."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import GRIPPER, ActionNormalizer
from rsd_jax.array_types import Actions, Latents, LayerMask, PyTree, Tokens
from rsd_jax.rfsq.autoencoders import Autoencoder, describe_autoencoder, make_autoencoder
from rsd_jax.rfsq.flat_tokens import from_flat, to_flat
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, dequantize, quantize
from rsd_jax.rfsq.stored_tokenizer import (
    TABLE_ARRAYS,
    StoredTokenizer,
    check_parts,
    holding_tokenizer,
    read,
    write,
)

TOKEN_FORMAT = 2
"""Version of what the arrays of a tokenizer mean; part of its hash."""


class TokenFormatError(ValueError):
    """A stored tokenizer gives its arrays another meaning than this version does."""


@flax.struct.dataclass
class RfsqTokenizer:
    """Residual finite-scalar-quantizer tokenizer of action chunks. Tokens alone decode, for any prefix of layers.

    A pytree: it can be passed to a jitted function like any array. Its own functions are jitted too, so that one
    program makes tokens wherever it is called from.

    Attributes:
        params: the autoencoder's parameters.
        table: the quantizer's constants.
        normalizer: dataset units to [-1, 1].
        autoencoder: what stands around the quantizer.
        chunk_length: C, steps of a chunk.
    """

    params: PyTree
    table: QuantizerTable
    normalizer: ActionNormalizer
    autoencoder: Autoencoder = flax.struct.field(pytree_node=False)
    chunk_length: int = flax.struct.field(pytree_node=False)

    @jax.jit
    def tokenize(self, actions: ArrayLike) -> Tokens:
        """Tokens ``int32 [B, C, D, L]`` of `actions` ``[B, C, A]`` in the dataset's own units.

        Raises:
            ValueError: on another chunk length or action dimension than the tokenizer's.
        """
        return quantize(self.table, self.latents(actions))

    @jax.jit
    def latents(self, actions: ArrayLike) -> Latents:
        """Latents ``[B, C, D]`` of `actions` before quantization; raises as `tokenize` does."""
        actions = jnp.asarray(actions, jnp.float32)
        self._check_shape(actions)
        return self.autoencoder.encode(self.params, self.normalizer.normalize(actions))

    @partial(jax.jit, static_argnames="num_layers")
    def detokenize(self, tokens: ArrayLike, num_layers: int | None = None) -> Actions:
        """Actions ``[B, C, A]`` in the dataset's units, decoded from the first `num_layers` layers (all by default).

        Every token string decodes to finite actions within the training actions' range; the gripper is -1 or +1.

        Raises:
            ValueError: if `num_layers` is outside 0..L.
        """
        latents = dequantize(self.table, jnp.asarray(tokens), num_layers)
        return self.normalizer.denormalize(self.autoencoder.decode(self.params, latents))

    def error_bound(self, num_layers: int) -> Float[Array, " A"]:
        """The largest change that layers `num_layers` .. L - 1 can still make to each dimension of a decoded action.

        Holds for every token string; in the action's units, ``[A]``; the gripper's is 0 or 2, for it is -1 or +1.

        Raises:
            ValueError: if `num_layers` is outside 0..L.
        """
        if not 0 <= num_layers <= self.table.num_layers:
            raise ValueError(f"num_layers is {num_layers}; it must be between 0 and {self.table.num_layers}")
        largest = self.table.largest_remainder
        change = self.autoencoder.largest_change(self.params, largest[num_layers], largest[0])
        # Decoding clips to the normalised range, which is 2 wide.
        bound = jnp.minimum(change, 2.0) * self.normalizer.half_range
        return bound.at[GRIPPER].set(jnp.where(change[GRIPPER] > 0, 2.0, 0.0))

    def to_flat(self, tokens: ArrayLike, first_id: int = 0) -> NDArray[np.int32]:
        """Tokens as sequences over one vocabulary, ``int32 [B, L * C * D]``; see `rsd_jax.rfsq.flat_tokens`."""
        return to_flat(tokens, self.table.num_levels, first_id)

    def from_flat(self, sequences: ArrayLike, first_id: int = 0) -> NDArray[np.int32]:
        """Tokens of sequences that hold whole layers; raises as `rsd_jax.rfsq.flat_tokens.from_flat` does."""
        return from_flat(sequences, self.chunk_length, self.latent_dim, self.table.num_levels, first_id)

    @property
    def informative(self) -> LayerMask:
        """Which digits can take more than one level, ``bool [L, D]``."""
        return self.table.informative

    @property
    def num_layers(self) -> int:
        """L."""
        return self.table.num_layers

    @property
    def latent_dim(self) -> int:
        """D."""
        return self.autoencoder.latent_dim

    @property
    def token_hash(self) -> str:
        """SHA-256 over everything that gives tokens their meaning; equal on every device."""
        digest = hashlib.sha256(json.dumps(self.layout(), sort_keys=True).encode())
        arrays, _ = jax.tree_util.tree_flatten_with_path((self.params, self.table, self.normalizer))
        for path, array in arrays:
            digest.update(jax.tree_util.keystr(path).encode())
            digest.update(np.ascontiguousarray(np.asarray(array, np.float32)).tobytes())
        return digest.hexdigest()

    def layout(self) -> dict[str, Any]:
        """All that is no array, as JSON values; saved in checkpoints and checked by whoever reads tokens."""
        return {
            "format_version": TOKEN_FORMAT,
            "autoencoder": describe_autoencoder(self.autoencoder),
            "num_layers": self.table.num_layers,
            "num_levels": self.table.num_levels,
            "chunk_length": self.chunk_length,
        }

    def save(self, path: Path | str) -> None:
        """Writes the tokenizer to the file `path` (safetensors), replacing what was there.

        Raises:
            OSError: it cannot be written; nothing half-written remains.
        """
        table = {name: getattr(self.table, name) for name in TABLE_ARRAYS}
        write(Path(path), StoredTokenizer(self.layout(), self.params, table, self.normalizer))

    @classmethod
    def load(cls, path: Path | str) -> "RfsqTokenizer":
        """Reads a file that `save` has written, or the folder of a trained stage, ``RUN/rfsq``.

        Raises:
            CheckpointError: it is missing, damaged, or holds something else.
            TokenFormatError: it was saved in another format.
        """
        stored = read(Path(path))
        layout = stored.layout
        if layout.get("format_version") != TOKEN_FORMAT:
            raise TokenFormatError(
                f"the tokenizer in {path} has token format {layout.get('format_version')}; this version reads "
                f"{TOKEN_FORMAT}. Train it again: python -m launch.train --config configs/rfsq.py"
            )
        with holding_tokenizer(Path(path)):
            autoencoder = make_autoencoder(**layout["autoencoder"])
            check_parts(stored, autoencoder)
            constants = {name: jnp.asarray(stored.table[name]) for name in TABLE_ARRAYS}
            return cls(
                params=jax.tree.map(jnp.asarray, stored.params),
                table=QuantizerTable(**constants, num_levels=layout["num_levels"]),
                normalizer=stored.normalizer,
                autoencoder=autoencoder,
                chunk_length=layout["chunk_length"],
            )

    def _check_shape(self, actions: Actions) -> None:
        expected = (self.chunk_length, self.autoencoder.action_dim)
        if actions.ndim != 3 or actions.shape[1:] != expected:
            raise ValueError(
                f"actions has shape {actions.shape}; this tokenizer takes [B, {expected[0]}, {expected[1]}]: chunks "
                f"of {expected[0]} steps with {expected[1]} numbers each. Cut or pad the chunk, or train another"
            )
