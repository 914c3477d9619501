import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.cameras.keypoints import KeypointCamera, spatial_softmax


def test_spatial_softmax_reads_a_peak_between_pixels() -> None:
    # A blob of two equal pixels in row 1, columns 2 and 3 of a 5 x 5 map: y = -0.5, x between 0 and 0.5.
    maps = jnp.full((1, 5, 5, 1), -50.0).at[0, 1, 2:4, 0].set(50.0)
    np.testing.assert_allclose(spatial_softmax(maps), [[0.25, -0.5]], atol=1e-6)


def test_rejects_incomplete_convolutions() -> None:
    with pytest.raises(ValueError, match="one entry for each convolution"):
        KeypointCamera(features=(8, 8))
