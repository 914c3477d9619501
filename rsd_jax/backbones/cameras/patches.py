"""Keypoints that the instruction asks for, read from patches: a camera's network for a CPU."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from rsd_jax.backbones.cameras.keypoints import where_and_what
from rsd_jax.partitioned_layers import Conv, Dense, GroupNorm


@dataclass(frozen=True)
class PatchCamera:
    """Patches of patches, residual convolutions that the instruction modulates, then keypoints and averages.

    A strided convolution with few channels takes a CPU three times as long as the matrix product that reads patches
    which do not overlap.

    Attributes:
        patches: sides of the patches, first in pixels, then in patches of the size before. features: channels of each.
        blocks: residual convolutions over the last patches, each of what the instruction asks for.
        keypoints: number of them.
        normalized: whether maps are normalized, which takes a fifth of a small network's time.
    """

    patches: tuple[int, ...] = (4, 2)
    features: tuple[int, ...] = (32, 64)
    blocks: int = 2
    keypoints: int = 32
    normalized: bool = True

    def __post_init__(self) -> None:
        """Checks that the patches are described completely."""
        if not self.patches or len(self.patches) != len(self.features):
            raise ValueError(
                f"patches {self.patches} and features {self.features} of a camera must have one entry for each size "
                "of patch"
            )

    def encoder(self, width: int, name: str) -> nn.Module:
        """The network, see `Camera`; two tokens."""
        return PatchEncoder(self, width, name=name)


class PatchEncoder(nn.Module):
    """What `PatchCamera` describes."""

    camera: PatchCamera
    width: int

    @nn.compact
    def __call__(self, pixels: Float[Array, "B S S 3"], instruction: Float[Array, "B F"]) -> Float[Array, "B 2 F"]:
        """Returns the keypoint token and the appearance token."""
        camera, maps = self.camera, pixels
        for side, features in zip(camera.patches, camera.features, strict=True):
            maps = Dense(features, ("channels", "channels"))(patches(maps, side))
            maps = nn.relu(GroupNorm(features)(maps) if camera.normalized else maps)
        for block in range(camera.blocks):
            convolve = ModulatedConvolution(camera.features[-1], camera.normalized, name=f"block_{block}")
            maps = maps + convolve(maps, instruction)
        scores = Dense(camera.keypoints, ("channels", "channels"), name="keypoints")(maps)
        return where_and_what(scores, maps, self.width)


class ModulatedConvolution(nn.Module):
    """A convolution whose channels the instruction scales and shifts (FiLM; Perez et al. 2018, arXiv 1709.07871).

    So the same few channels look for the bowl on the stove or for the one beside the plate, as they are asked.
    """

    features: int
    normalized: bool

    @nn.compact
    def __call__(self, maps: Float[Array, "B H W C"], instruction: Float[Array, "B F"]) -> Float[Array, "B H W C"]:
        """Returns maps of the same shape."""
        change = Conv(self.features, (3, 3), ("channels", "channels"))(maps)
        change = GroupNorm(self.features)(change) if self.normalized else change
        modulation = Dense(2 * self.features, ("embed", "channels"), name="modulation")(instruction)
        scale, shift = jnp.split(modulation[:, None, None], 2, axis=-1)
        return nn.relu((1.0 + scale) * change + shift)


def patches(maps: Float[Array, "B H W C"], side: int) -> Float[Array, "B I J P"]:
    """Cuts maps into squares that do not overlap, row by row, each a vector of ``side * side * C``.

    Raises:
        ValueError: the maps' sides are no multiples of `side`.
    """
    batch, height, width, channels = maps.shape
    if height % side or width % side:
        raise ValueError(
            f"patches of {side} x {side} do not cover maps of {height} x {width} exactly; a camera's patches must "
            "divide model.backbone.image_size, one after the other"
        )
    cut = maps.reshape(batch, height // side, side, width // side, side, channels).transpose(0, 1, 3, 2, 4, 5)
    return jax.lax.collapse(cut, 3)
