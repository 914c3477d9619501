import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.image_preprocessing import AugmentationConfig, augment_images, prepare_images

augmented = jax.jit(augment_images, static_argnums=2)


def test_prepared_images_are_upright_block_means_from_minus_one_to_one() -> None:
    frame = np.zeros((4, 4), np.uint8)
    frame[3, 3] = frame[3, 2] = 255  # stored bottom right: half of the upright image's top left pixel
    images = jnp.asarray(frame[None, None, :, :, None].repeat(3, axis=-1))
    pixels = prepare_images(images, 2)
    np.testing.assert_allclose(pixels[0, 0, :, :, 0], [[0.0, -1.0], [-1.0, -1.0]], atol=1e-6)
    assert pixels.dtype == jnp.float32


def test_resizing_by_a_fraction_keeps_the_mean_and_the_orientation() -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 2, dtype=np.uint8)[:, None, None], (128, 128, 3))
    pixels = np.asarray(prepare_images(jnp.asarray(ramp)[None, None], 96))[0, 0, :, 0, 0]
    assert (np.diff(pixels) < 0).all()
    np.testing.assert_allclose(pixels.mean(), ramp.mean() * 2 / 255 - 1, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 2, 8, 6, 3), (1, 2, 2, 2, 3)])
def test_rejects_frames_that_are_not_square_or_too_small(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="square and at least image_size = 4"):
        prepare_images(jnp.zeros(shape, jnp.uint8), 4)


def test_no_augmentation_changes_nothing() -> None:
    pixels = jax.random.uniform(jax.random.key(0), (2, 2, 8, 8, 3), minval=-1.0)
    unchanged = augmented(jax.random.key(1), pixels, AugmentationConfig(shift=0, brightness=0, contrast=0))
    np.testing.assert_allclose(unchanged, pixels, atol=1e-6)


def test_frames_are_shifted_by_different_amounts_within_the_range() -> None:
    ramp = jnp.broadcast_to(jnp.linspace(-1, 1, 16)[:, None, None], (64, 2, 16, 16, 3))
    config = AugmentationConfig(shift=0.125, brightness=0, contrast=0)
    shifted = augmented(jax.random.key(0), ramp, config)
    pixels_moved = (shifted - ramp)[:, :, 8, 8, 0] / (2 / 15)
    assert 1.5 < float(jnp.abs(pixels_moved).max()) <= 2.0 + 1e-4
    assert len(np.unique(np.round(pixels_moved, 5))) > 100


def test_one_key_gives_backbones_of_different_image_sizes_the_same_view() -> None:
    """As a draft policy and the policy that it imitates need it; away from the borders, which are repeated."""
    ramp = jnp.broadcast_to(jnp.linspace(-0.5, 0.5, 16)[:, None, None], (8, 2, 16, 16, 3))

    def halved(pixels: jax.Array) -> jax.Array:
        return pixels.reshape(8, 2, 8, 2, 8, 2, 3).mean(axis=(3, 5))

    config = AugmentationConfig(shift=0.1, brightness=0.2, contrast=0.2)
    large, small = (augmented(jax.random.key(0), pixels, config) for pixels in (ramp, halved(ramp)))
    np.testing.assert_allclose(halved(large)[:, :, 2:-2], small[:, :, 2:-2], atol=1e-5)


def test_brightness_and_contrast_stay_in_range() -> None:
    pixels = jnp.full((64, 2, 4, 4, 3), 0.5)
    changed = augmented(jax.random.key(0), pixels, AugmentationConfig(shift=0, brightness=0.1, contrast=0.2))
    assert float(changed.min()) >= 0.5 * 0.8 - 0.1 - 1e-6
    assert float(changed.max()) <= 0.5 * 1.2 + 0.1 + 1e-6
    assert float(changed.std()) > 0.03
    bright = augmented(jax.random.key(0), jnp.ones_like(pixels), AugmentationConfig(brightness=1.0))
    assert float(bright.max()) <= 1.0
