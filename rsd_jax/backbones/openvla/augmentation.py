"""The random changes of images by which OpenVLA-OFT is fine-tuned: another crop, and other colours, on device.

They take the place of the crop of the centre that evaluation makes, so that both cut away as much. Order and strengths
are the published ones (OpenVLA, arXiv 2406.09246; its data loader's ``image_augment_kwargs``), and every frame has
changes of its own. The published loader gives all operations of a frame one seed, so that its crops lie on a diagonal
and a brighter image always has more contrast; here they are drawn apart.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsd_jax.array_types import typecheck
from rsd_jax.backbones.image_preprocessing import AugmentationConfig
from rsd_jax.backbones.openvla.image_preparation import CROPPED_AREA

Levels = Float[Array, "B N S S 3"]
"""Images whose black is 0 and whose white is 1."""

_LARGEST_HUE = 0.5


@dataclass(frozen=True)
class OftAugmentation(AugmentationConfig):
    """Ranges of the random changes; those of the state and of instructions are `AugmentationConfig`'s.

    Attributes:
        shift: 0, for a crop lies somewhere else already.
        area: of a square crop, as a share of the image's; 1 for none.
        brightness: largest offset, where black to white spans 1.
        contrast: largest relative change of the distance from each colour's mean over the image.
        saturation: largest relative change of it.
        hue: largest turn, where 1 is all around.

    Raises:
        ValueError: on construction, if a number is out of range.
    """

    shift: float = 0.0
    brightness: float = 0.2
    contrast: float = 0.2
    proprio_noise: float = 0.0
    area: float = CROPPED_AREA
    saturation: float = 0.2
    hue: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shift:
            raise ValueError(f"augmentation.shift={self.shift} must be 0: a random crop lies elsewhere already")
        if not 0 < self.area <= 1:
            raise ValueError(f"augmentation.area={self.area} must be above 0 and at most 1, which is all of an image")
        for name, largest in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", _LARGEST_HUE)):
            if not 0 <= (value := getattr(self, name)) <= largest:
                raise ValueError(f"augmentation.{name}={value} must be from 0, which changes nothing, to {largest:g}")


@typecheck
def augment_as_oft(key: jax.Array, images: Levels, config: OftAugmentation) -> Levels:
    """Crops every image at random to `OftAugmentation.area` and its old size, and changes its colours.

    Args:
        key: consumed.
        images: upright, not cropped. config: ranges.

    Returns:
        The same shape, from 0 to 1; not rounded to bytes, as the published loader does.
    """
    crop_key, brightness_key, contrast_key, saturation_key, hue_key = jax.random.split(key, 5)
    frames = images.shape[:2]

    def drawn(key: jax.Array, middle: float, largest: float) -> Float[Array, "B N 1 1 1"]:
        return jax.random.uniform(key, (*frames, 1, 1, 1), minval=middle - largest, maxval=middle + largest)

    cropped = _clip(_crop(crop_key, images, config.area))
    bright = _clip(cropped + drawn(brightness_key, 0.0, config.brightness))
    mean = jnp.mean(bright, axis=(2, 3), keepdims=True)
    contrasted = _clip(mean + (bright - mean) * drawn(contrast_key, 1.0, config.contrast))
    saturated = _clip(_saturate(contrasted, drawn(saturation_key, 1.0, config.saturation)))
    return _clip(_turn(saturated, drawn(hue_key, 0.0, config.hue)))


def _crop(key: jax.Array, images: Levels, area: float) -> Levels:
    """Bilinear between centres of pixels; a crop's first and last pixel lie on its edges, as `crop_centre` has it."""
    size, side = images.shape[2], math.sqrt(area)
    first = jax.random.uniform(key, (*images.shape[:2], 2), maxval=1 - side) * (size - 1)
    pixel = jnp.arange(size, dtype=jnp.float32)
    source = first[..., None] + pixel * side
    mixed = jax.nn.relu(1 - jnp.abs(source[..., None] - pixel))
    # In full precision: on an accelerator the default would round pixels to 8 bits before they are mixed.
    return jnp.einsum(
        "bnij,bnjkc,bnlk->bnilc", mixed[:, :, 0], images, mixed[:, :, 1], precision=jax.lax.Precision.HIGHEST
    )


def _saturate(images: Levels, factor: Float[Array, "B N 1 1 1"]) -> Levels:
    """Multiplies the saturation of HSV, up to its end: hue and largest colour stay, the others move to or from it."""
    largest = jnp.max(images, axis=-1, keepdims=True)
    spread = largest - jnp.min(images, axis=-1, keepdims=True)
    furthest = largest / jnp.where(spread > 0, spread, 1.0)
    return largest - (largest - images) * jnp.where(spread > 0, jnp.minimum(factor, furthest), 1.0)


def _turn(images: Levels, turn: Float[Array, "B N 1 1 1"]) -> Levels:
    """Adds `turn` to the hue of HSV; grey stays grey."""
    red, green, blue = jnp.split(images, 3, axis=-1)
    largest = jnp.max(images, axis=-1, keepdims=True)
    spread = largest - jnp.min(images, axis=-1, keepdims=True)
    divisor = jnp.where(spread > 0, spread, 1.0)
    sixth = jnp.select(
        [largest == red, largest == green],
        [(green - blue) / divisor, 2 + (blue - red) / divisor],
        4 + (red - green) / divisor,
    )
    # Each colour rises and falls along the circle of six sixths, a third behind the one before.
    place = jnp.mod(sixth + 6 * turn + jnp.array([5.0, 3.0, 1.0]), 6)
    return largest - spread * jnp.clip(jnp.minimum(place, 4 - place), 0, 1)


def _clip(images: Levels) -> Levels:
    return jnp.clip(images, 0, 1)
