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
from jaxtyping import Array, Bool, Float
from numpy.typing import NDArray

from rsd_jax.actions.normalizer import GRIPPER, ActionNormalizer
from rsd_jax.array_types import Actions, Latents, LayerMask, Position, PyTree, Tokens
from rsd_jax.rfsq.autoencoders import Autoencoder, describe_autoencoder, make_autoencoder
from rsd_jax.rfsq.flat_tokens import from_flat, to_flat
from rsd_jax.rfsq.given_values import check_actions, check_token_ids, check_tokens
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, dequantize, dequantize_to, quantize
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

    def tokenize(self, actions: ArrayLike) -> Tokens:
        """Tokens ``int32 [B, C, D, L]`` of `actions` ``[B, C, A]`` in the dataset's own units; B may be 0.

        What lies beyond the normalizer's range is clipped to it: `ActionNormalizer.clipped_fraction` counts that.

        Raises:
            ValueError: on another chunk length or action dimension than the tokenizer's, or on a number that is not
                finite. In a function that is being traced numbers are not known: see `valid_actions`.
        """
        check_actions(actions, self.chunk_length, self.autoencoder.action_dim)
        return self._tokenize(jnp.asarray(actions, jnp.float32))

    def latents(self, actions: ArrayLike) -> Latents:
        """Latents ``[B, C, D]`` of `actions` before quantization; raises as `tokenize` does."""
        check_actions(actions, self.chunk_length, self.autoencoder.action_dim)
        return self._latents(jnp.asarray(actions, jnp.float32))

    def detokenize(self, tokens: ArrayLike, num_layers: int | None = None) -> Actions:
        """Actions ``[B, C, A]`` in the dataset's units, decoded from the first `num_layers` layers of `tokens`.

        `tokens` ``[B, C, D, M]`` holds all L layers or the first M of them; by default all that it holds are decoded.
        Every token string decodes to finite actions within the normalizer's range; the gripper is -1 or +1.

        Raises:
            ValueError: if `num_layers` is outside 0..L or more than `tokens` holds, or if `tokens` has another shape,
                is not of integers, or holds an id outside ``0 .. V - 1``. In a function that is being traced ids are
                not known, and those outside are read as the nearest: see `valid_tokens`.
        """
        self._check_tokens(tokens)
        held = np.shape(tokens)[-1]
        depth = held if num_layers is None else num_layers
        if not 0 <= depth <= self.num_layers:
            raise ValueError(f"num_layers is {depth}; it must be between 0 and {self.num_layers}")
        if depth > held:
            raise ValueError(
                f"num_layers is {depth}, but tokens has shape {np.shape(tokens)}: it holds {held} layers. Leave "
                "num_layers out to decode those"
            )
        return self._detokenize(jnp.asarray(tokens), depth)

    def detokenize_to(self, tokens: Tokens, depth: Position) -> Actions:
        """Actions ``[B, C, A]`` in the dataset's units, decoded from the first `depth` layers of each column.

        What certified decoding certifies, which decodes some columns further than others.

        Raises:
            ValueError: `tokens` does not hold all layers, or as `detokenize` does.
        """
        self._check_tokens(tokens)
        latents = dequantize_to(self.table, tokens, depth)
        return self.normalizer.denormalize(self.autoencoder.decode(self.params, latents))

    @jax.jit
    def valid_actions(self, actions: Actions) -> Bool[Array, " B"]:
        """Which chunks of `actions` ``[B, C, A]`` hold finite numbers only: what `tokenize` raises for, as a flag."""
        return jnp.isfinite(actions.astype(jnp.float32)).all(axis=(1, 2))

    @jax.jit
    def valid_tokens(self, tokens: Tokens) -> Bool[Array, " B"]:
        """Which chunks of `tokens` ``[B, C, D, M]`` hold ids ``0 .. V - 1`` only, for compiled callers likewise."""
        return ((tokens >= 0) & (tokens < self.table.num_levels)).all(axis=(1, 2, 3))

    @jax.jit
    def _tokenize(self, actions: Actions) -> Tokens:
        return quantize(self.table, self._latents(actions))

    @jax.jit
    def _latents(self, actions: Actions) -> Latents:
        return self.autoencoder.encode(self.params, self.normalizer.normalize(actions))

    @partial(jax.jit, static_argnames="num_layers")
    def _detokenize(self, tokens: Tokens, num_layers: int) -> Actions:
        latents = dequantize(self.table, tokens, num_layers)
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
        """Tokens ``[B, C, D, M]`` as sequences over one vocabulary, ``int32 [B, M * C * D]``; see `flat_tokens`.

        Raises:
            ValueError: as `detokenize` does, or as `rsd_jax.rfsq.flat_tokens.to_flat` does.
        """
        self._check_tokens(tokens)
        return to_flat(tokens, self.table.num_levels, first_id)

    def from_flat(self, sequences: ArrayLike, first_id: int = 0) -> NDArray[np.int32]:
        """Tokens ``[B, C, D, M]`` of sequences that hold M whole layers, the coarsest ones; `detokenize` takes them.

        Raises:
            ValueError: they hold more layers than there are, or as `rsd_jax.rfsq.flat_tokens.from_flat` does.
        """
        tokens = from_flat(sequences, self.chunk_length, self.latent_dim, self.table.num_levels, first_id)
        if tokens.shape[-1] > self.num_layers:
            raise ValueError(
                f"sequences has shape {np.shape(sequences)} and holds {tokens.shape[-1]} layers; this tokenizer has "
                f"{self.num_layers}"
            )
        return tokens

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

    def _check_tokens(self, tokens: ArrayLike) -> None:
        check_tokens(tokens, self.latent_dim, self.num_layers)
        if np.shape(tokens)[1] != self.chunk_length:
            raise ValueError(
                f"tokens has shape {np.shape(tokens)}; this tokenizer's chunks have {self.chunk_length} steps: "
                f"[B, {self.chunk_length}, {self.latent_dim}, M]"
            )
        check_token_ids(tokens, self.table.num_levels)
