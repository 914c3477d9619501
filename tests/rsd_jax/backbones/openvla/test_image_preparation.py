"""Against libjpeg-turbo's own decoding (golden/make_jpeg.py) and TensorFlow's definitions, pixel by pixel."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from rsd_jax.backbones.openvla.image_preparation import crop_centre, prepare_frames, resize, to_levels, to_pixels
from rsd_jax.backbones.openvla.jpeg_round_trip import round_trip
from tests.rsd_jax.backbones.openvla import tensorflow_images

GOLDEN = Path(__file__).parent / "golden/jpeg.npz"


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN))


def difference(ours, theirs):
    return np.abs(np.asarray(ours).astype(int) - np.asarray(theirs).astype(int))


def test_what_jpeg_leaves_is_the_same_to_the_last_bit(golden):
    turned = golden["rendered"][None, :, ::-1, ::-1]
    np.testing.assert_array_equal(round_trip(turned)[0], golden["left"])
    assert (difference(turned[0], golden["left"]) > 2).mean() > 0.2  # which is not what went in


def test_sides_are_of_whole_blocks():
    with pytest.raises(ValueError, match=r"images are 24 x 32; both sides must be multiples of 16"):
        round_trip(np.zeros((1, 1, 24, 32, 3), np.uint8))


def test_resizing_is_tensorflows_and_nearly_pillows(golden):
    """Pillow rounds and clips between rows and columns, which shows where an edge overshoots."""
    found = resize(golden["left"][None], 56)[0]
    for image, ours in zip(golden["left"], found, strict=True):
        theirs = tensorflow_images.resize(image, 56)
        assert difference(ours, theirs).max() <= 1
        assert (difference(ours, theirs) > 0).mean() < 1e-3  # a rounding of 0.5 may fall either way
        pillows = np.asarray(Image.fromarray(image).resize((56, 56), Image.Resampling.LANCZOS))
        assert (difference(ours, pillows) <= 1).mean() > 0.999
        assert difference(ours, pillows).max() <= 2


def test_the_crop_is_tensorflows(golden):
    images = golden["left"][:, :56, :56]
    found = crop_centre(images[None])[0]
    for image, ours in zip(images, found, strict=True):
        theirs = tensorflow_images.crop_centre(image)
        assert difference(ours, theirs).max() <= 1
        assert (difference(ours, theirs) > 0).mean() < 1e-3


def test_a_plain_image_stays_and_a_corner_is_cut_off():
    """0.9 of the area is 0.949 of the side: of 40 pixels the outermost is cut away, and plain ones are left alone."""
    image = np.full((1, 1, 40, 40, 3), 200, np.uint8)
    np.testing.assert_array_equal(crop_centre(image), image)
    image[..., 0, :, :] = 0
    assert (np.asarray(crop_centre(image))[0, 0, 0] == 200).all()
    image[..., 1, :, :] = 0
    assert (np.asarray(crop_centre(image))[0, 0, 0] < 10).all()


def test_frames_as_rendered_become_what_is_seen(golden):
    """All steps, upside-down frames included, within one step of what the definitions give."""
    found = prepare_frames(jnp.asarray(golden["rendered"])[None], 56)[0]
    assert difference(found, golden["prepared"]).max() <= 1
    assert (difference(found, golden["prepared"]) > 0).mean() < 1e-3


def test_frames_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="images are 32 x 64; they must be square"):
        prepare_frames(jnp.zeros((1, 1, 32, 64, 3), jnp.uint8), 28)


def test_levels_and_pixels_are_inverse():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 1, 256, 1).repeat(3, axis=-1)
    np.testing.assert_allclose(to_levels(to_pixels(levels)), levels, atol=1e-4)
    assert (to_pixels(levels).min(), to_pixels(levels).max()) == (-1, 1)
