"""The networks around the quantizer: one action to a latent and back, in float32 with exact matrix products."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn

from rsd_jax.array_types import Actions, Latents, PyTree, Tokens, typecheck
from rsd_jax.partitioned_layers import Mlp
from rsd_jax.rfsq.residual_quantizer import QuantizerTable, dequantize


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the autoencoder: encoder A-hidden-D, decoder D-hidden-A."""

    action_dim: int = 7
    hidden_features: int = 64
    latent_dim: int = 16


def _mish(x: jax.Array) -> jax.Array:
    return x * jnp.tanh(jax.nn.softplus(x))


class ActionAutoencoder(nn.Module):
    """Encoder and decoder of single chunk steps: Mish between two linear layers, latents bounded by tanh.

    Latents must be bounded: static tables have bounded reach, and the straight-through gradient passes outside of it.
    """

    config: AutoencoderConfig

    def setup(self) -> None:
        """Creates both networks."""
        config = self.config
        self.encoder = Mlp(config.hidden_features, config.latent_dim, (None, None), _mish)
        self.decoder = Mlp(config.hidden_features, config.action_dim, (None, None), _mish)

    def __call__(self, normalized_actions: Actions) -> Actions:
        """Reconstruction without quantization; used to create the parameters."""
        return self.decode(self.encode(normalized_actions))

    def encode(self, normalized_actions: Actions) -> Latents:
        """Latents in (-1, 1)."""
        with jax.default_matmul_precision("highest"):
            return jnp.tanh(self.encoder(normalized_actions.astype(jnp.float32)))

    def decode(self, latents: Latents) -> Actions:
        """Normalised actions, not clipped."""
        with jax.default_matmul_precision("highest"):
            return self.decoder(latents.astype(jnp.float32))


@typecheck
def encode(config: AutoencoderConfig, params: PyTree, normalized_actions: Actions) -> Latents:
    """Latents of normalised actions."""
    return ActionAutoencoder(config).apply({"params": params}, normalized_actions, method="encode")


@typecheck
def decode(config: AutoencoderConfig, params: PyTree, latents: Latents) -> Actions:
    """Normalised actions of latents, not clipped."""
    return ActionAutoencoder(config).apply({"params": params}, latents, method="decode")


@typecheck
def straight_through(table: QuantizerTable, latents: Latents, tokens: Tokens) -> Latents:
    """What `tokens` decode to, with the gradient of `latents`.

    Written so that the value equals `dequantize` to the last bit, unlike ``z + stop_gradient(decoded - z)``.
    """
    return jax.lax.stop_gradient(dequantize(table, tokens)) + (latents - jax.lax.stop_gradient(latents))
