"""Two tokens a camera: where things are and what is there. Cheap enough for a CPU."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.partitioned_layers import Conv, Dense, GroupNorm


@dataclass(frozen=True)
class KeypointCamera:
    """Convolutions, then keypoints (to a fraction of a pixel) and average-pooled features.

    Attributes:
        features: channels of the convolutions. kernels: their sizes. strides: their strides.
        keypoints: number of them.
    """

    features: tuple[int, ...] = (16, 32, 32)
    kernels: tuple[int, ...] = (5, 3, 3)
    strides: tuple[int, ...] = (2, 2, 1)
    keypoints: int = 32

    def __post_init__(self) -> None:
        """Checks that the convolutions are described completely."""
        if len({len(self.features), len(self.kernels), len(self.strides)}) != 1:
            raise ValueError(
                f"features {self.features}, kernels {self.kernels} and strides {self.strides} of a camera must have "
                "one entry for each convolution"
            )

    def encoder(self, width: int, name: str) -> nn.Module:
        """The network, see `Camera`; two tokens."""
        return KeypointEncoder(self, width, name=name)


class KeypointEncoder(nn.Module):
    """Convolutions, then spatial-softmax keypoints and average pooling."""

    camera: KeypointCamera
    width: int

    @nn.compact
    def __call__(self, pixels: Float[Array, "B S S 3"], instruction: Float[Array, "B F"]) -> Float[Array, "B 2 F"]:
        """Whatever is asked for, returns the keypoint token and the appearance token."""
        camera, maps = self.camera, pixels
        for features, kernel, stride in zip(camera.features, camera.kernels, camera.strides, strict=True):
            maps = Conv(features, (kernel, kernel), ("channels", "channels"), strides=stride)(maps)
            maps = nn.relu(GroupNorm(features)(maps))
        scores = Conv(camera.keypoints, (1, 1), ("channels", "channels"), name="keypoints")(maps)
        return where_and_what(scores, maps, self.width)


def where_and_what(
    scores: Float[Array, "B H W K"], maps: Float[Array, "B H W C"], width: int
) -> Float[Array, "B 2 F"]:
    """The keypoint token of `scores` and the appearance token of `maps`, by layers of the module that calls."""
    where = Dense(width, ("channels", "embed"), name="where")(spatial_softmax(scores))
    what = Dense(width, ("channels", "embed"), name="what")(maps.mean(axis=(1, 2)))
    return jnp.stack([where, what], axis=1)


def spatial_softmax(maps: Float[Array, "B H W K"]) -> Float[Array, "B M"]:
    """Expected image coordinates of each map under a softmax over its pixels, computed in float32.

    Finn et al. 2016, "Deep Spatial Autoencoders for Visuomotor Learning", section IV-A. A map with one peak gives that
    peak's place to a fraction of a pixel; the temperature is the scale that the map's convolution learns.

    Returns:
        All x, then all y, in [-1, 1] from left to right and from top to bottom, ``M = 2 K``.
    """
    batch, height, width, count = maps.shape
    scores = maps.astype(jnp.float32).reshape(batch, height * width, count)
    attention = jax.nn.softmax(scores, axis=1).reshape(maps.shape)
    x = jnp.einsum("bhwk,w->bk", attention, jnp.linspace(-1.0, 1.0, width))
    y = jnp.einsum("bhwk,h->bk", attention, jnp.linspace(-1.0, 1.0, height))
    return jnp.concatenate([x, y], axis=-1).astype(maps.dtype)
