"""What turns an action into latents and back: types only."""

from typing import Protocol

import jax
from jaxtyping import Array, Float

from rsd_jax.array_types import Actions, Latents, PyTree


class Autoencoder(Protocol):
    """Encoder and decoder of single chunk steps. Implementations are frozen dataclasses, so hashable and static.

    Both are pure functions of `params`, in float32 with exact matrix products. Latents lie in [-1, 1].
    """

    @property
    def action_dim(self) -> int:
        """A."""
        ...

    @property
    def latent_dim(self) -> int:
        """D."""
        ...

    def init(self, key: jax.Array) -> PyTree:
        """Draws the parameters, their leaves carrying logical axis names; ``{}`` if there are none."""
        ...

    def encode(self, params: PyTree, normalized_actions: Actions) -> Latents:
        """Latents of normalised actions."""
        ...

    def decode(self, params: PyTree, latents: Latents) -> Actions:
        """Normalised actions of latents, not clipped."""
        ...

    def largest_change(
        self, params: PyTree, latent_change: Float[Array, " D"], latent_range: Float[Array, " D"]
    ) -> Float[Array, " A"]:
        """Bound on how much each decoded action dimension changes, over all latents.

        Args:
            params: the parameters.
            latent_change: largest change of each latent, independently of the others.
            latent_range: largest absolute value of each latent, before and after the change.
        """
        ...

    def latent_weights(self) -> Float[Array, "A D"]:
        """Absolute change of each decoded action dimension with each latent, for decoders that are linear.

        Raises:
            ValueError: the decoder is not linear, or moves the gripper by other latents than its own.
        """
        ...
