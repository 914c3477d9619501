"""From stored frames to what a backbone sees, and the augmentation of training, on device."""

from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsd_jax.actions.conventions import upright
from rsd_jax.array_types import Images, typecheck

Pixels = Float[Array, "B N S S 3"]


@dataclass(frozen=True)
class AugmentationConfig:
    """Ranges of the random changes that training makes to observations; images are changed frame by frame.

    Attributes:
        shift: largest shift along each axis, as a fraction of the image's side.
        brightness: largest offset, where black to white spans 2.
        contrast: largest relative change of the distance from mid-grey.
        proprio_noise: standard deviation of the noise on the robot's state, in standard deviations of the state. It
            keeps a policy from reading the phase of the task off the state's last digits instead of looking at images.
        reworded: share of the rows whose instruction is reworded (`InstructionTable`).
        proprio_dropout: share of the rows whose state is replaced by the mean of all, so that a policy must also find
            out from the images where the hand is.
    """

    shift: float = 0.03
    brightness: float = 0.2
    contrast: float = 0.2
    proprio_noise: float = 0.1
    reworded: float = 0.0
    proprio_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Checks the share."""
        if not 0 <= self.proprio_dropout <= 1:
            raise ValueError(f"proprio_dropout is {self.proprio_dropout}; it must lie between 0 and 1")

    def to_json(self) -> dict[str, Any]:
        """Its fields as checkpoints keep them; what came later is left out where it does nothing."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("proprio_dropout", 0.0)}


@typecheck
def prepare_images(images: Images, size: int) -> Pixels:
    """Turns frames upright and resizes them, averaging over the area of each pixel.

    Args:
        images: stored frames, square, upside-down as rendered.
        size: side of the result, at most that of the frames.

    Returns:
        Pixels in [-1, 1], ``float32 [B, N, size, size, 3]``.

    Raises:
        ValueError: the frames are not square, or smaller than `size`.
    """
    batch, cameras, height, width, channels = images.shape
    if height != width or height < size:
        raise ValueError(f"images are {height} x {width}; they must be square and at least image_size = {size}")
    if height % size == 0:
        # Adding slices keeps vector units busy, a mean over two axes of blocks does not: 0.04 for 0.3 ms on a CPU.
        block, integers = height // size, upright(images).astype(jnp.int32)
        sums = sum(integers[:, :, row::block, column::block] for row in range(block) for column in range(block))
        return jnp.asarray(sums).astype(jnp.float32) * (2 / 255 / block**2) - 1
    pixels = upright(images).astype(jnp.float32) * (2 / 255) - 1
    return jax.image.resize(pixels, (batch, cameras, size, size, channels), "linear", antialias=True)


@typecheck
def augment_images(key: jax.Array, pixels: Pixels, config: AugmentationConfig) -> Pixels:
    """Shifts every frame and changes its brightness and contrast; `key` is consumed."""
    shift_key, brightness_key, contrast_key = jax.random.split(key, 3)
    frames, size = pixels.shape[:2], pixels.shape[2]
    largest = config.shift * size
    shifts = jax.random.uniform(shift_key, (*frames, 2), minval=-largest, maxval=largest)
    rows, columns = _shift_matrix(shifts[..., 0], size), _shift_matrix(shifts[..., 1], size)
    shifted = jnp.einsum("bnij,bnjkc->bnikc", rows, jnp.einsum("bnkl,bnjlc->bnjkc", columns, pixels))
    per_frame = (*frames, 1, 1, 1)
    brightness = jax.random.uniform(brightness_key, per_frame, minval=-config.brightness, maxval=config.brightness)
    contrast = jax.random.uniform(contrast_key, per_frame, minval=1 - config.contrast, maxval=1 + config.contrast)
    return jnp.clip(shifted * contrast + brightness, -1.0, 1.0)


def _shift_matrix(shift: Float[Array, "B N"], size: int) -> Float[Array, "B N S S"]:
    """Matrices that move a line of pixels by `shift` pixels, interpolating linearly and repeating the border.

    Matrix products instead of slices: they shift by fractions of a pixel and are fast on every device.
    """
    pixel = jnp.arange(size, dtype=jnp.float32)
    source = jnp.clip(pixel[None, None] + shift[..., None], 0, size - 1)
    return jax.nn.relu(1 - jnp.abs(source[..., None] - pixel[None, None, None]))
