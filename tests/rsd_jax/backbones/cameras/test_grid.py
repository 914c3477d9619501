import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.cameras import GridCamera
from tests.rsd_jax.random_params import initialised

NOTHING = jnp.zeros((1, 4))
"""What no instruction means."""


def test_a_token_sees_its_part_of_the_frame_and_knows_its_place() -> None:
    encoder = GridCamera(features=(8, 8), blocks=(0, 0)).encoder(width=4, name="camera")
    blank = jnp.zeros((1, 32, 32, 3))
    variables, apply = initialised(encoder.init, 0, blank, NOTHING), jax.jit(encoder.apply)
    tokens = apply(variables, blank, NOTHING)
    assert tokens.shape == (1, 64, 4)
    # Far from the border all places see the same; only their positions differ.
    places = variables["params"]["places"]["embedding"]
    np.testing.assert_allclose(tokens[0, 27] - places[27], tokens[0, 28] - places[28], atol=1e-5)
    marked = apply(variables, blank.at[0, :4, :4].set(1.0), NOTHING)
    change = np.abs(np.asarray(marked - tokens))[0].max(axis=-1).reshape(8, 8)
    # Normalization carries a little of it everywhere.
    assert change[0, 0] > 10 * change[4:, 4:].max()


def test_rejects_incomplete_stages() -> None:
    with pytest.raises(ValueError, match="one entry for each stage"):
        GridCamera(features=(8, 8), blocks=(1,))
