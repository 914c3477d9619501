"""A small MLP between actions and latents, optionally beside a linear path."""

from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float
from numpy.typing import NDArray

from rsd_jax.array_types import Actions, Latents, PyTree, typecheck
from rsd_jax.partitioned_layers import LECUN_NORMAL, Mlp

_LARGEST_MISH_CURVATURE = 0.645
"""Bound on the absolute second derivative of Mish, 0.6442 at most."""

_MOST_CORNERS = 20

_FRAME_GAIN = 0.6
"""Length of the linear path's rows: latents of actions in the cube then seldom reach the clip at -1 and 1."""


@dataclass(frozen=True)
class MlpAutoencoder:
    """Encoder A-hidden-D, decoder D-hidden-A, Mish between the linear layers.

    Latents must be bounded: static tables have bounded reach, and the straight-through gradient passes outside of it.
    Without a linear path they are bounded by tanh; with one by a clip, and the MLP starts at zero.

    Attributes:
        action_dim: A. hidden_features: width of both hidden layers. latent_dim: D.
        has_linear_path: whether a linear frame (A orthonormal rows in D dimensions) runs beside each MLP.
    """

    action_dim: int = 7
    hidden_features: int = 64
    latent_dim: int = 16
    has_linear_path: bool = False

    def init(self, key: jax.Array) -> PyTree:
        """Draws the parameters; consumes `key`."""
        example = jnp.zeros((1, 1, self.action_dim), jnp.float32)
        return _MlpModule(self).init(key, example)["params"]

    @typecheck
    def encode(self, params: PyTree, normalized_actions: Actions) -> Latents:
        """Latents in [-1, 1]."""
        return cast(jax.Array, _MlpModule(self).apply({"params": params}, normalized_actions, method="encode"))

    @typecheck
    def decode(self, params: PyTree, latents: Latents) -> Actions:
        """Normalised actions, not clipped."""
        return cast(jax.Array, _MlpModule(self).apply({"params": params}, latents, method="decode"))

    def largest_change(
        self, params: PyTree, latent_change: Float[Array, " D"], latent_range: Float[Array, " D"]
    ) -> Float[Array, " A"]:
        """Bound by the mean value theorem: a hidden unit changes by a slope of Mish times what reaches it.

        With every unit free to take the worst slope that it has within `latent_range`, the change of an action is a
        convex function of the latents' changes, largest at a corner of their box: all 2^D corners are tried.

        Raises:
            ValueError: more than 20 latents, whose corners are too many.
        """
        if self.latent_dim > _MOST_CORNERS:
            raise ValueError(f"latent_dim is {self.latent_dim}; the bound tries 2^D corners and takes at most 2^20")
        up, down = params["decoder"]["up"], params["decoder"]["down"]
        inner, outer = np.asarray(up["kernel"], np.float64), np.asarray(down["kernel"], np.float64)
        spread = np.asarray(latent_range, np.float64) @ np.abs(inner)
        bias = np.asarray(up["bias"], np.float64)
        lowest, highest = _mish_slope_range(bias - spread, bias + spread)
        linear = np.asarray(params["synthesis"], np.float64) if self.has_linear_path else 0 * inner @ outer
        largest = np.zeros(self.action_dim)
        bits = np.arange(self.latent_dim)
        for block in np.array_split(np.arange(2**self.latent_dim), max(1, 2**self.latent_dim // 4096)):
            corners = np.asarray(latent_change) * (2 * ((block[:, None] >> bits) & 1) - 1)
            reaching = corners @ inner
            steep, flat = reaching * highest, reaching * lowest  # both ways a unit can answer
            rising = np.maximum(steep, flat) @ np.maximum(outer, 0) + np.minimum(steep, flat) @ np.minimum(outer, 0)
            largest = np.maximum(largest, (rising + corners @ linear).max(axis=0))
        return jnp.asarray(largest, jnp.float32)

    def latent_weights(self) -> Float[Array, "A D"]:
        """An MLP has none.

        Raises:
            ValueError: always: every latent moves the gripper, so that no layer could be left out under a certificate.
        """
        raise ValueError(
            "the tokenizer's autoencoder is an MlpAutoencoder, whose every latent moves the gripper; the gripper is "
            "never relaxed, so nothing could be. Certified decoding needs a tokenizer with a RepetitionFrame "
            "(configs/rfsq.py); this one can be decoded by the lossless decoders"
        )


class _MlpModule(nn.Module):
    config: MlpAutoencoder

    def setup(self) -> None:
        """Creates both networks."""
        config, last = self.config, LECUN_NORMAL
        if config.has_linear_path:
            last = nn.initializers.zeros_init()
            shape, init = (config.action_dim, config.latent_dim), nn.with_logical_partitioning
            self.analysis = self.param("analysis", init(_analysis_frame, (None, None)), shape)
            self.synthesis = self.param("synthesis", init(_synthesis_frame, (None, None)), shape[::-1])
        self.encoder = Mlp(config.hidden_features, config.latent_dim, (None, None), _mish, last)
        self.decoder = Mlp(config.hidden_features, config.action_dim, (None, None), _mish, last)

    def __call__(self, normalized_actions: Actions) -> Actions:
        """Reconstruction without quantization; used to create the parameters."""
        return self.decode(self.encode(normalized_actions))

    def encode(self, normalized_actions: Actions) -> Latents:
        """Latents in [-1, 1]."""
        actions = normalized_actions.astype(jnp.float32)
        with jax.default_matmul_precision("highest"):
            if self.config.has_linear_path:
                latents = jnp.clip(self.encoder(actions) + actions @ self.analysis, -1.0, 1.0)
            else:
                latents = jnp.tanh(self.encoder(actions))
        # Fused with what reads them, latents would be computed anew there, and can come out different in the last bit.
        return jax.lax.optimization_barrier(latents)

    def decode(self, latents: Latents) -> Actions:
        """Normalised actions, not clipped."""
        latents = latents.astype(jnp.float32)
        with jax.default_matmul_precision("highest"):
            if self.config.has_linear_path:
                return self.decoder(latents) + latents @ self.synthesis
            return self.decoder(latents)


def _mish(x: jax.Array) -> jax.Array:
    return x * jnp.tanh(jax.nn.softplus(x))


def _mish_slope_range(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Smallest and largest slope of Mish over each interval [low, high]."""
    points = np.linspace(low, high, 257)
    width = (high - low) / 256
    sigmoid, tanh = 1 / (1 + np.exp(-points)), np.tanh(np.logaddexp(0.0, points))
    slopes = tanh + points * sigmoid * (1 - tanh**2)
    between = _LARGEST_MISH_CURVATURE * width / 2  # how far a slope can stray between two points
    return slopes.min(axis=0) - between, slopes.max(axis=0) + between


def _analysis_frame(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """The first cosines of a DCT as rows: orthogonal, of one length, spread over all latents. Draws nothing."""
    del key
    rows, columns = jnp.arange(1, shape[0] + 1)[:, None], jnp.arange(shape[1])
    return _FRAME_GAIN * jnp.sqrt(2.0 / shape[1]) * jnp.cos(jnp.pi * rows * (2 * columns + 1) / (2 * shape[1]))


def _synthesis_frame(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    return _analysis_frame(key, shape[::-1]).T / _FRAME_GAIN**2
