import jax.numpy as jnp
import numpy as np

from rsd_jax.backbones.openvla.language_model import RmsNorm


def test_the_norm_divides_by_the_root_of_the_mean_square_and_its_epsilon():
    """Of 1e-3 everywhere the mean square is the epsilon, and one over the root of two is left."""
    scale = {"params": {"scale": jnp.array([1.0, 1.0, 2.0])}}
    small = RmsNorm(1e-6).apply(scale, jnp.full((1, 1, 3), 1e-3))
    np.testing.assert_allclose(small[0, 0], np.array([1, 1, 2]) / np.sqrt(2), rtol=1e-5)
    large = RmsNorm(1e-6).apply(scale, jnp.array([[[3.0, 4.0, 0.0]]]))
    np.testing.assert_allclose(large[0, 0], np.array([3, 4, 0]) / np.sqrt(25 / 3), rtol=1e-5)
