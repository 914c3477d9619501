"""From frames as rendered to what the vision towers see, as OpenVLA-OFT prepares it, on device.

Each step ends in whole numbers from 0 to 255, as there: what a step leaves to the next is what an image file holds.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from numpy.typing import NDArray

from rsd_jax.actions.conventions import upright
from rsd_jax.array_types import Images, typecheck
from rsd_jax.backbones.openvla.jpeg_round_trip import round_trip

CROPPED_AREA = 0.9
"""Of the image, around its centre: as much as the random crops of training leave."""


PreparedFrames = UInt8[Array, "B N S S 3"]


@typecheck
def prepare_frames(images: Images, size: int) -> PreparedFrames:
    """Turns frames upright and brings them to `size` pixels a side: JPEG, Lanczos, and a crop of the centre.

    Args:
        images: frames as rendered, square and upside-down, of a side that `round_trip` takes.
        size: side of the result.

    Returns:
        ``uint8 [B, N, size, size, 3]``.

    Raises:
        ValueError: the frames are not square, or JPEG's blocks do not fit into them.
    """
    return crop_centre(whole_frames(images, size))


def whole_frames(images: Images, size: int) -> PreparedFrames:
    """`prepare_frames` without the crop, in whose place training has one of its own."""
    height, width = images.shape[2:4]
    if height != width:
        raise ValueError(f"images are {height} x {width}; they must be square")
    return resize(round_trip(upright(images)), size)


def resize(images: Images, size: int) -> PreparedFrames:
    """Lanczos, of three zeros a side, which also smooths where it makes smaller (TensorFlow's, with antialias)."""
    batch, cameras, _, _, channels = images.shape
    shape = (batch, cameras, size, size, channels)
    return _to_bytes(jnp.round(jax.image.resize(images.astype(jnp.float32), shape, "lanczos3", antialias=True)))


def crop_centre(images: PreparedFrames) -> PreparedFrames:
    """The middle `CROPPED_AREA` of square images, at their old size; bilinear between centres of pixels."""
    rows = jnp.asarray(_crop_matrix(images.shape[2]))
    scaled = images.astype(jnp.float32) * (1 / 255)
    # In full precision: on an accelerator the default would round pixels to 8 bits before they are mixed.
    cropped = jnp.einsum("ij,bnjkc,lk->bnilc", rows, scaled, rows, precision=jax.lax.Precision.HIGHEST)
    return _to_bytes(jnp.clip(cropped, 0, 1) * 255.5)  # and not rounded, which is how TensorFlow makes bytes


def _crop_matrix(size: int) -> NDArray[np.float32]:
    """``[size, size]``: of which pixels of a line each pixel of the crop is mixed.

    The crop's first and last pixel lie where its first and last edge lie, counted from centre to centre of the image.
    """
    side = np.sqrt(np.float32(CROPPED_AREA))
    source = (1 - side) / 2 * (size - 1) + np.arange(size, dtype=np.float32) * side
    return np.maximum(0, 1 - np.abs(source[:, None] - np.arange(size, dtype=np.float32))).astype(np.float32)


def to_pixels(frames: PreparedFrames) -> Float[Array, "B N S S 3"]:
    """Bytes as numbers from -1 to 1, for the augmentation of training; `to_levels` is the way back."""
    return frames.astype(jnp.float32) * (2 / 255) - 1


def to_levels(pixels: Float[Array, "B N S S 3"]) -> Float[Array, "B N S S 3"]:
    """Inverse of `to_pixels`, not rounded."""
    return (pixels + 1) * (255 / 2)


def _to_bytes(values: Float[Array, "B N S S 3"]) -> PreparedFrames:
    return jnp.clip(values, 0, 255).astype(jnp.uint8)
