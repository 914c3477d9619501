"""The random changes of OFT's fine-tuning: their bounds, and what they leave alone; colours as in colorsys."""

import colorsys
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.openvla.augmentation import OftAugmentation, augment_as_oft

FRAMES, SIDE = (256, 2), math.sqrt(0.9)

augmented = jax.jit(augment_as_oft, static_argnums=2)


def only(**strengths):
    """Ranges that change nothing else."""
    return OftAugmentation(**{"area": 1, "brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, **strengths})


@pytest.fixture(scope="module")
def coloured():
    """Images of pixels whose colours no change of a fifth brings to an end of their range."""
    return jax.random.uniform(jax.random.key(0), (*FRAMES, 4, 4, 3), minval=0.4, maxval=0.6)


def drawn_evenly(values, low, high):
    """Whether `values`, one a frame, fill their range evenly, and frames of a row differ."""
    values = np.asarray(values, np.float64).reshape(FRAMES)
    edge, middle, spread = 0.02 * (high - low), (low + high) / 2, (high - low) / math.sqrt(12)
    assert low - 1e-4 <= values.min() < low + edge
    assert high - edge < values.max() <= high + 1e-4
    assert values.mean() == pytest.approx(middle, abs=0.15 * spread)
    assert values.std() == pytest.approx(spread, rel=0.1)
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.2
    return values.ravel()


def in_hsv(images):
    return np.array([colorsys.rgb_to_hsv(*pixel) for pixel in np.asarray(images, np.float64).reshape(-1, 3)])


def test_no_strength_changes_nothing(coloured):
    np.testing.assert_allclose(augmented(jax.random.key(1), coloured, only()), coloured, atol=1e-6)


def test_a_key_gives_the_same_changes_and_another_others(coloured):
    first, again, other = (augmented(jax.random.key(seed), coloured, OftAugmentation()) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.asarray(first - other)).mean() > 0.01
    assert 0 <= np.asarray(first).min() < np.asarray(first).max() <= 1


def test_crops_leave_nine_tenths_and_lie_anywhere():
    """Of an image whose red tells the row and whose green the column, from 0 to 1."""
    line = jnp.linspace(0, 1, 9)
    rows, columns = jnp.meshgrid(line, line, indexing="ij")
    image = jnp.stack([rows, columns, 0.5 * jnp.ones_like(rows)], axis=-1)
    cropped = np.asarray(augmented(jax.random.key(1), jnp.broadcast_to(image, (*FRAMES, 9, 9, 3)), only(area=0.9)))
    first, last = cropped[:, :, 0, 0, :2], cropped[:, :, -1, -1, :2]
    np.testing.assert_allclose(last - first, SIDE, atol=1e-5)
    np.testing.assert_allclose(np.diff(cropped[..., 0], axis=2), SIDE / 8, atol=1e-5)
    np.testing.assert_allclose(np.diff(cropped[..., 1], axis=3), SIDE / 8, atol=1e-5)
    top, left = (drawn_evenly(first[..., axis], 0, 1 - SIDE) for axis in (0, 1))
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.2


def test_brightness_is_added_and_contrast_goes_around_the_mean_of_each_colour(coloured):
    added = np.asarray(augmented(jax.random.key(1), coloured, only(brightness=0.2)) - coloured)
    np.testing.assert_allclose(np.ptp(added, axis=(2, 3, 4)), 0, atol=1e-6)
    drawn_evenly(added[:, :, 0, 0, 0], -0.2, 0.2)
    found = augmented(jax.random.key(1), coloured, only(contrast=0.2))
    mean = coloured.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(found.mean(axis=(2, 3), keepdims=True), mean, atol=1e-6)
    factor = np.std(found - mean, axis=(2, 3, 4)) / np.std(coloured - mean, axis=(2, 3, 4))
    drawn_evenly(factor, 0.8, 1.2)
    np.testing.assert_allclose(found - mean, (coloured - mean) * factor[..., None, None, None], atol=1e-5)


def test_saturation_and_hue_change_nothing_else_of_a_colour(coloured):
    before = in_hsv(coloured)
    more, turned = (in_hsv(augmented(jax.random.key(1), coloured, only(**each))) for each in (
        {"saturation": 0.2}, {"hue": 0.05}))  # fmt: skip
    np.testing.assert_allclose(more[:, [0, 2]], before[:, [0, 2]], atol=1e-3)
    factor = (more[:, 1] / before[:, 1]).reshape(-1, 16)
    np.testing.assert_allclose(factor, factor[:, :1].repeat(16, axis=1), rtol=1e-3)
    drawn_evenly(np.median(factor, axis=1), 0.8, 1.2)
    np.testing.assert_allclose(turned[:, 1:], before[:, 1:], atol=1e-5)
    turn = (np.mod(turned[:, 0] - before[:, 0] + 0.5, 1) - 0.5).reshape(-1, 16)
    np.testing.assert_allclose(turn, turn[:, :1].repeat(16, axis=1), atol=1e-3)
    drawn_evenly(np.median(turn, axis=1), -0.05, 0.05)


def test_grey_stays_grey_and_a_full_colour_is_no_fuller():
    """One half is grey, the other orange, which can become paler, but nothing else."""
    image = jnp.broadcast_to(jnp.array([[1.0, 0.5, 0.0], [0.5, 0.5, 0.5]]), (*FRAMES, 2, 2, 3))
    found = np.asarray(augmented(jax.random.key(1), image, only(saturation=0.2)))
    np.testing.assert_allclose(found[:, :, :, 1], 0.5, atol=1e-6)
    assert (found[:, :, :, 0, 0] == 1).all()
    paler = found[:, :, 0, 0, 1]
    assert (paler == 0.5).mean() == pytest.approx(0.5, abs=0.1)
    assert 0.5 == paler.min() < 0.595 < paler.max() <= 0.6 + 1e-5
    turned = np.asarray(augmented(jax.random.key(1), image, only(hue=0.05)))
    np.testing.assert_allclose(turned[:, :, :, 1], 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shift": 0.03}, "augmentation.shift=0.03 must be 0: a random crop lies elsewhere already"),
        ({"area": 0}, "augmentation.area=0 must be above 0 and at most 1"),
        ({"saturation": 1.2}, "augmentation.saturation=1.2 must be from 0, which changes nothing, to 1"),
        ({"hue": -0.1}, "augmentation.hue=-0.1 must be from 0, which changes nothing, to 0.5"),
    ],
)
def test_impossible_ranges_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        OftAugmentation(**changed)
