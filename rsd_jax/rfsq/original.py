"""The residual quantizer of the PyTorch original (Oscar-Ge/RVQExperiment, ``slurm/scripts/models/rfsq_models.py``).

There, each layer normalises the residual of one chunk step by the mean and the deviation of its own D numbers, rounds
to V levels in [-1, 1] and scales back. Two numbers per step and layer are needed to undo that, beside the tokens:
they are `SideInformation` here, and decoding cannot be called without it. The original's ``decode_from_indices`` adds
up the levels without it, which is no decoding at all; `OriginalRfsq.calibrate` instead makes an ordinary tokenizer of
such an autoencoder, whose tokens decode alone.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rsd_jax.actions.normalizer import ActionNormalizer
from rsd_jax.array_types import Actions, PyTree, Tokens, typecheck
from rsd_jax.rfsq.autoencoders.mlp import MlpAutoencoder
from rsd_jax.rfsq.strategies.layer_statistics import initial_statistics, table_from_statistics, update_statistics
from rsd_jax.rfsq.tokenizer import RfsqTokenizer

_ADDED_TO_STD = 1e-5


class SideInformation(NamedTuple):
    """Statistics of every layer's residual over the D latents of a chunk step, without which tokens say little.

    Attributes:
        mean: ``float32 [B, C, L]``, in latent units.
        std: deviation with D - 1 degrees of freedom, plus 1e-5, ``float32 [B, C, L]``.
    """

    mean: Float[Array, "B C L"]
    std: Float[Array, "B C L"]


@dataclass(frozen=True)
class OriginalRfsq:
    """An autoencoder of the original with LayerNorm over each sample.

    Attributes:
        autoencoder: sizes of its networks. num_layers: L. num_levels: V.
        chunk_length: C of the tokenizer that `calibrate` makes; the networks see single chunk steps.
    """

    autoencoder: MlpAutoencoder = field(default_factory=MlpAutoencoder)
    num_layers: int = 8
    num_levels: int = 7
    chunk_length: int = 8

    @typecheck
    def encode(self, params: PyTree, normalized_actions: Actions) -> tuple[Tokens, SideInformation]:
        """Tokens ``[B, C, D, L]`` of normalised actions ``[B, C, A]``, and what decoding them needs besides.

        In the original's order of float32 operations. Its sums over D run in another order, so a residual that lies
        within float32 rounding of the middle between two levels can get the other token.
        """
        residual = self.autoencoder.encode(params, normalized_actions)
        grid, tokens, means, stds = self._grid(), [], [], []
        for _ in range(self.num_layers):
            mean = residual.mean(axis=-1, keepdims=True)
            std = residual.std(axis=-1, ddof=1, keepdims=True) + _ADDED_TO_STD
            distances = jnp.abs(((residual - mean) / std)[..., None] - grid)
            tokens.append(jnp.argmin(distances, axis=-1))
            level = grid[tokens[-1]] * std + mean
            # The straight-through expression of the original, which rounds once more.
            residual = residual - (residual + (level - residual))
            means.append(mean[..., 0])
            stds.append(std[..., 0])
        side = SideInformation(mean=jnp.stack(means, axis=-1), std=jnp.stack(stds, axis=-1))
        return jnp.stack(tokens, axis=-1).astype(jnp.int32), side

    @typecheck
    def decode(self, params: PyTree, tokens: Tokens, side: SideInformation) -> Actions:
        """Normalised actions ``[B, C, A]``, not clipped: what the original's forward pass reconstructs.

        Raises:
            ValueError: if `tokens` has another number of layers than this quantizer, or `side` belongs to others.
        """
        if tokens.shape[-1] != self.num_layers:
            raise ValueError(
                f"tokens has {tokens.shape[-1]} layers; this quantizer has {self.num_layers} and needs all of them"
            )
        expected = (*tokens.shape[:2], self.num_layers)
        for name, statistics in side._asdict().items():
            if statistics.shape != expected:
                raise ValueError(
                    f"side.{name} has shape {statistics.shape}; these tokens need {expected}: pass what `encode` gave "
                    "together with them"
                )
        grid, latents = self._grid(), jnp.zeros(tokens.shape[:-1], jnp.float32)
        for layer in range(self.num_layers):
            mean, std = side.mean[..., None, layer], side.std[..., None, layer]
            latents = latents + (grid[tokens[..., layer]] * std + mean)
        return self.autoencoder.decode(params, latents)

    def calibrate(
        self, params: PyTree, training_actions_normalized: Actions, normalizer: ActionNormalizer, span: float = 2.0
    ) -> RfsqTokenizer:
        """A tokenizer around the same networks, whose tokens decode without side information.

        The statistics of each sample are replaced by those of all training actions, for each layer and latent, as the
        LayerNorm strategy has them (arXiv 2508.15860). Its tokens are other tokens than `encode`'s.

        Args:
            params: parameters of the autoencoder.
            training_actions_normalized: all training actions ``[B, C, A]``, in the range of the original's training.
            normalizer: from the dataset's units to that range.
            span: outermost levels of a layer, in standard deviations of its residual.

        Raises:
            ValueError: there are no training actions, or one of them isn't finite.
        """
        actions = jnp.asarray(training_actions_normalized, jnp.float32)
        if actions.size == 0 or not bool(jnp.isfinite(actions).all()):
            raise ValueError(
                f"training_actions_normalized has shape {actions.shape}; it must hold at least one action, and finite "
                "numbers only. Remove the actions that are not"
            )
        latents = self.autoencoder.encode(params, actions)
        untouched = initial_statistics(self.num_layers, self.autoencoder.latent_dim)
        statistics = update_statistics(untouched, latents, decay=0.0, span=span, num_levels=self.num_levels)
        return RfsqTokenizer(
            params=params,
            table=table_from_statistics(statistics, span, self.num_levels),
            normalizer=normalizer,
            autoencoder=self.autoencoder,
            chunk_length=self.chunk_length,
        )

    def _grid(self) -> Float[Array, " V"]:
        """V levels over [-1, 1] as `torch.linspace` rounds them: counted from the nearer end."""
        step, index = np.float64(np.float32(2 / (self.num_levels - 1))), np.arange(self.num_levels)
        from_low, from_high = -1 + step * index, 1 - step * index[::-1]
        return jnp.asarray(np.where(index < self.num_levels // 2, from_low, from_high), jnp.float32)
