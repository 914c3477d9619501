"""Other colours, by hand."""

import numpy as np
import pytest

from eval_bridge.simulators.libero.looks.recolouring import Recolouring

TEXELS = np.array([[[0, 0, 0], [255, 255, 255]], [[200, 100, 50], [10, 20, 30]]], np.uint8)


def test_without_arguments_nothing_changes():
    np.testing.assert_array_equal(Recolouring().of_texture(TEXELS), TEXELS)
    np.testing.assert_array_equal(Recolouring(hue=360.0).of_texture(TEXELS), TEXELS)


def test_paint_is_mixed_in_and_gain_darkens():
    painted = Recolouring(paint=(1.0, 0.0, 0.5), share=0.5).of_texture(TEXELS)
    np.testing.assert_array_equal(painted[0], [[128, 0, 64], [255, 128, 191]])
    np.testing.assert_array_equal(Recolouring(gain=0.5).of_texture(TEXELS)[1, 0], [100, 50, 25])


@pytest.mark.parametrize("hue", [-120.0, 40.0, 180.0])
def test_turned_hues_keep_greys_and_luminance(hue):
    colours = np.array([[0.4, 0.4, 0.4], [0.5, 0.4, 0.3]], np.float32)
    turned = Recolouring(hue=hue).of(colours)
    np.testing.assert_allclose(turned[0], colours[0], atol=1e-6)
    weights = [0.213, 0.715, 0.072]
    np.testing.assert_allclose(turned @ weights, colours @ weights, atol=1e-4)
    assert np.abs(turned[1] - colours[1]).max() > 0.03


def test_nothing_leaves_the_range_of_colours():
    bright = Recolouring(gain=3.0, paint=(1.0, 1.0, 1.0), share=0.1).of_texture(TEXELS)
    assert bright.dtype == np.uint8
    np.testing.assert_array_equal(bright[0, 1], [255, 255, 255])
