"""The robot's state as networks take it: normalised, randomly changed in training, and how much of it is told."""

from typing import Any, Literal

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from rsd_jax.array_types import typecheck
from rsd_jax.backbones.image_preprocessing import AugmentationConfig

ALL, WITHOUT_POSITION, NONE = "all", "without_position", "none"

Told = Literal["all", "without_position", "none"]
"""What a network is told of the robot's state: all of it; how the hand is turned and how far it is open; nothing."""

_POSITION = slice(0, 3)


@flax.struct.dataclass
class ProprioNormalizer:
    """Constants measured on the training episodes: ``normalised = (proprio - offset) / scale``, each ``[P]``."""

    offset: Float[Array, " P"]
    scale: Float[Array, " P"]

    @staticmethod
    def from_proprio(proprio: NDArray[np.float32], smallest_scale: float = 0.01) -> "ProprioNormalizer":
        """Takes mean and standard deviation of each dimension.

        Args:
            proprio: the robot's states of all training steps, ``[N, P]``.
            smallest_scale: floor (metres or radians), so that a dimension that never moves is not blown up when an
                evaluation moves it a little.

        Raises:
            ValueError: if `proprio` is not ``[N, P]`` with N >= 1, or holds a value that is not finite.
        """
        if proprio.ndim != 2 or proprio.shape[0] < 1:
            raise ValueError(f"proprio has shape {proprio.shape}; expected [N, P] with at least one row")
        if not np.isfinite(proprio).all():
            row, column = np.argwhere(~np.isfinite(proprio))[0]
            raise ValueError(f"proprio[{row}, {column}] is {proprio[row, column]}; the robot's state must be finite")
        wide = proprio.astype(np.float64)
        scale = np.maximum(wide.std(axis=0), smallest_scale)
        return ProprioNormalizer(offset=jnp.asarray(wide.mean(axis=0), "float32"), scale=jnp.asarray(scale, "float32"))

    @typecheck
    def normalize(self, proprio: Float[Array, "B P"]) -> Float[Array, "B P"]:
        """Maps metres and radians to numbers of about unit size, clipped to 5 standard deviations."""
        return jnp.clip((proprio - self.offset[None]) / self.scale[None], -5.0, 5.0)

    def to_json(self) -> dict[str, Any]:
        """The two vectors as lists of numbers, exact in float32."""
        return {"offset": np.asarray(self.offset).tolist(), "scale": np.asarray(self.scale).tolist()}

    @staticmethod
    def from_json(fields: dict[str, Any]) -> "ProprioNormalizer":
        """Inverse of `to_json`."""
        return ProprioNormalizer(
            offset=jnp.asarray(fields["offset"], jnp.float32), scale=jnp.asarray(fields["scale"], jnp.float32)
        )


def augment_proprio(key: jax.Array, proprio: Float[Array, "B P"], config: AugmentationConfig) -> Float[Array, "B P"]:
    """Adds noise to normalised states, and replaces some by the mean of all, which is 0; `key` is consumed."""
    changed = proprio + config.proprio_noise * jax.random.normal(key, proprio.shape)
    if not config.proprio_dropout:
        return changed
    is_told = jax.random.bernoulli(jax.random.fold_in(key, 1), 1 - config.proprio_dropout, (len(proprio), 1))
    return jnp.where(is_told, changed, 0.0)


def told_of(proprio: Float[Array, "B P"], told: Told) -> Float[Array, "B P"]:
    """Normalised states of which only what is `told` differs from the mean of all, which is 0."""
    if told == ALL:
        return proprio
    return jnp.zeros_like(proprio) if told == NONE else proprio.at[:, _POSITION].set(0.0)
