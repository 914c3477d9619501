"""The tokenizer that users hold: action chunks to tokens and back."""

import hashlib
import json
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, Latents, LayerMask, PyTree, Tokens
from rsd_jax.rfsq.autoencoder import AutoencoderConfig, decode, encode
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, dequantize, quantize

FORMAT_VERSION = 1
"""Version of what the arrays of a tokenizer mean; part of its hash."""


@flax.struct.dataclass
class RfsqTokenizer:
    """Residual finite-scalar-quantizer tokenizer of action chunks. Tokens alone decode, for any prefix of layers.

    A pytree: it can be passed to a jitted function like any array. Its own functions are jitted too, so that one
    program makes tokens wherever it is called from.

    Attributes:
        params: the autoencoder's parameters.
        table: the quantizer's constants.
        normalizer: dataset units to [-1, 1].
        config: sizes of the autoencoder.
        chunk_length: C, steps of a chunk.
    """

    params: PyTree
    table: QuantizerTable
    normalizer: ActionNormalizer
    config: AutoencoderConfig = flax.struct.field(pytree_node=False)
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
        return encode(self.config, self.params, self.normalizer.normalize(actions))

    @partial(jax.jit, static_argnames="num_layers")
    def detokenize(self, tokens: ArrayLike, num_layers: int | None = None) -> Actions:
        """Actions ``[B, C, A]`` in the dataset's units, decoded from the first `num_layers` layers (all by default).

        Every token string decodes to finite actions within the training actions' range; the gripper is -1 or +1.
        """
        latents = dequantize(self.table, jnp.asarray(tokens, jnp.int32), num_layers)
        return self.normalizer.denormalize(decode(self.config, self.params, latents))

    @property
    def informative(self) -> LayerMask:
        """Which digits can take more than one level, ``bool [L, D]``."""
        return self.table.informative

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
        """Static sizes, as saved in checkpoints and checked by whoever reads tokens."""
        return {
            "format_version": FORMAT_VERSION,
            "action_dim": self.config.action_dim,
            "hidden_features": self.config.hidden_features,
            "latent_dim": self.config.latent_dim,
            "num_layers": self.table.num_layers,
            "num_levels": self.table.num_levels,
            "chunk_length": self.chunk_length,
        }

    def _check_shape(self, actions: Actions) -> None:
        expected = (self.chunk_length, self.config.action_dim)
        if actions.ndim != 3 or actions.shape[1:] != expected:
            raise ValueError(
                f"actions has shape {actions.shape}; this tokenizer takes [B, {expected[0]}, {expected[1]}]: chunks "
                f"of {expected[0]} steps with {expected[1]} numbers each. Cut or pad the chunk, or train another"
            )
