"""A grid of tokens a camera: each tells of one part of the frame. For accelerators."""

from dataclasses import dataclass
from typing import Literal, get_args

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.partitioned_layers import Conv, Dense, Embedding, GroupNorm

Places = Literal["learned", "coordinates"]


@dataclass(frozen=True)
class GridCamera:
    """Stages of convolutions, each of half the resolution of the one before; every place of the last is a token.

    Attributes:
        features: channels of the stages.
        blocks: residual blocks of the stages, each of two 3 x 3 convolutions.
        places: how a token tells of which place it is: ``learned``, by a vector of each place's own, or
            ``coordinates``, by a linear function of the place's coordinates, which cannot tell places apart one by
            one.
    """

    features: tuple[int, ...] = (32, 64, 128, 256)
    blocks: tuple[int, ...] = (0, 1, 1, 0)
    places: Places = "learned"

    def __post_init__(self) -> None:
        """Checks that the stages are described completely, and the name of the places."""
        if self.places not in get_args(Places):
            raise ValueError(f"places of a camera is {self.places!r}; it must be one of {', '.join(get_args(Places))}")
        if not self.features or len(self.features) != len(self.blocks):
            raise ValueError(
                f"features {self.features} and blocks {self.blocks} of a camera must have one entry for each stage"
            )

    def encoder(self, width: int, name: str) -> nn.Module:
        """The network, see `Camera`; ``(S / 2 ** stages) ** 2`` tokens, row by row."""
        return GridEncoder(self, width, name=name)


class GridEncoder(nn.Module):
    """Strided convolutions with residual blocks between them, then one token a place with its position added."""

    camera: GridCamera
    width: int

    @nn.compact
    def __call__(self, pixels: Float[Array, "B S S 3"], instruction: Float[Array, "B F"]) -> Float[Array, "B N F"]:
        """Whatever is asked for, returns the tokens of all places."""
        maps = pixels
        for stage, (features, blocks) in enumerate(zip(self.camera.features, self.camera.blocks, strict=True)):
            kernel = 5 if stage == 0 else 3
            maps = Conv(features, (kernel, kernel), ("channels", "channels"), strides=2, name=f"down_{stage}")(maps)
            maps = nn.relu(GroupNorm(features, name=f"down_norm_{stage}")(maps))
            for block in range(blocks):
                maps = ResidualBlock(features, name=f"block_{stage}_{block}")(maps)
        batch, height, width, channels = maps.shape
        tokens = Dense(self.width, ("channels", "embed"), name="tokens")(maps.reshape(batch, height * width, channels))
        if self.camera.places == "coordinates":
            coordinates = image_coordinates(height, width).astype(tokens.dtype)
            return tokens + Dense(self.width, (None, "embed"), name="places")(coordinates)[None]
        places = Embedding(height * width, self.width, ("position", "embed"), name="places")
        return tokens + places(jnp.arange(height * width))[None]


def image_coordinates(height: int, width: int) -> Float[Array, "N 2"]:
    """How far right and how far down each place of a map lies, row by row, both from -1 to 1."""
    y, x = jnp.meshgrid(jnp.linspace(-1.0, 1.0, height), jnp.linspace(-1.0, 1.0, width), indexing="ij")
    return jnp.stack([x.ravel(), y.ravel()], axis=-1)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016, "Deep Residual Learning for Image Recognition")."""

    features: int

    @nn.compact
    def __call__(self, maps: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        """Returns maps of the same shape."""
        change = Conv(self.features, (3, 3), ("channels", "channels"))(maps)
        change = nn.relu(GroupNorm(self.features)(change))
        change = Conv(self.features, (3, 3), ("channels", "channels"))(change)
        return nn.relu(maps + GroupNorm(self.features)(change))
