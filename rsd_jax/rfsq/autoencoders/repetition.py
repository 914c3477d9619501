"""A frame of copies: every action dimension stands in several latents, and decoding averages them.

With tables that shift the cells of the copies against each other (`rsd_jax.rfsq.strategies.staggered`) the mean of r
copies, each quantized with cells of width w, is itself a uniform quantizer with cells of width w / r: the error falls
with r^2, not with r as for copies of independent error. This is staggered multiple-description scalar quantization
(Vaishampayan 1993, "Design of multiple description scalar quantizers") and the O(1/r^2) of consistent reconstruction
from overcomplete frames (Goyal, Vetterli & Thao 1998, "Quantized overcomplete expansions in R^N").
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rsd_jax.array_types import Actions, Latents, PyTree, typecheck


@dataclass(frozen=True)
class RepetitionFrame:
    """Latents are copies of normalised actions, side by side by dimension. No parameters, nothing to train.

    Attributes:
        copies: how many latents each action dimension gets, gripper last.
    """

    copies: tuple[int, ...] = (3, 3, 3, 2, 2, 2, 1)

    def __post_init__(self) -> None:
        """Checks that every dimension has a latent."""
        if not self.copies or min(self.copies) < 1:
            raise ValueError(f"copies is {self.copies}; every action dimension needs at least one latent")

    @property
    def action_dim(self) -> int:
        """A."""
        return len(self.copies)

    @property
    def latent_dim(self) -> int:
        """D."""
        return sum(self.copies)

    @property
    def dimension_of(self) -> tuple[int, ...]:
        """Action dimension of every latent."""
        return tuple(a for a, count in enumerate(self.copies) for _ in range(count))

    def init(self, key: jax.Array) -> PyTree:
        """No parameters; draws nothing."""
        del key
        return {}

    @typecheck
    def encode(self, params: PyTree, normalized_actions: Actions) -> Latents:
        """Copies, clipped to [-1, 1]."""
        del params
        clipped = jnp.clip(normalized_actions.astype(jnp.float32), -1.0, 1.0)
        return jnp.take(clipped, np.array(self.dimension_of), axis=-1)

    @typecheck
    def decode(self, params: PyTree, latents: Latents) -> Actions:
        """The mean of each dimension's copies."""
        del params
        copies = np.equal.outer(self.dimension_of, np.arange(self.action_dim)).astype(np.float32)
        # A product with zeros and ones; a stack of sums would make the compiler decode latents once for each of them.
        with jax.default_matmul_precision("highest"):
            return latents.astype(jnp.float32) @ copies / np.array(self.copies, np.float32)

    def largest_change(
        self, params: PyTree, latent_change: Float[Array, " D"], latent_range: Float[Array, " D"]
    ) -> Float[Array, " A"]:
        """The mean of the copies' changes: exact, for each copy has a token string that makes its own change."""
        del params, latent_range
        return self.decode({}, latent_change[None, None])[0, 0]

    def latent_weights(self) -> Float[Array, "A D"]:
        """One over the number of copies, for the latents of a dimension."""
        is_copy = np.equal.outer(np.arange(self.action_dim), self.dimension_of)
        return jnp.asarray(is_copy / np.array(self.copies, np.float32)[:, None], jnp.float32)
