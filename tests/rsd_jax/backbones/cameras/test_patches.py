import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsd_jax.backbones.cameras.patches import PatchCamera, patches
from tests.rsd_jax.random_params import alive, initialised

CAMERA = PatchCamera(patches=(2, 2), features=(4, 8), blocks=1, keypoints=4)
PIXELS = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3), minval=-1.0)
MEANINGS = jax.random.normal(jax.random.key(1), (2, 6))


@pytest.fixture(scope="module", params=[True, False], ids=["normalized", "as they are"])
def encode(request):
    encoder = dataclasses.replace(CAMERA, normalized=request.param).encoder(width=6, name="camera")
    params = {"params": alive(initialised(encoder.init, 1, PIXELS, MEANINGS)["params"], 2)}
    compiled = jax.jit(encoder.apply)
    return lambda pixels, meanings: np.asarray(compiled(params, pixels, meanings))


def test_the_same_frame_is_read_otherwise_where_something_else_is_asked_for(encode):
    frame = PIXELS[:1].repeat(2, axis=0)
    tokens = encode(frame, MEANINGS)
    assert tokens.shape == (2, 2, 6)
    assert (np.abs(tokens[0] - tokens[1]).max(axis=-1) > 1e-3).all()  # where it is, and what is there
    np.testing.assert_allclose(encode(frame, MEANINGS[:1].repeat(2, axis=0))[0], tokens[0], atol=1e-5)


def test_no_row_knows_of_another(encode):
    changed = encode(PIXELS.at[1].multiply(-1.0), MEANINGS.at[1].add(1.0)) - encode(PIXELS, MEANINGS)
    np.testing.assert_allclose(changed[0], 0, atol=1e-5)
    assert np.abs(changed[1]).max() > 1e-3


def test_patches_by_hand():
    """Pixels of a 2 x 4 map tell their row, their column and their channel."""
    rows, columns, channels = jnp.meshgrid(jnp.arange(2), jnp.arange(4), jnp.arange(2), indexing="ij")
    cut = patches((100 * rows + 10 * columns + channels)[None], 2)
    assert cut.tolist() == [[[[0, 1, 10, 11, 100, 101, 110, 111], [20, 21, 30, 31, 120, 121, 130, 131]]]]


def test_what_does_not_fit_is_rejected():
    with pytest.raises(ValueError, match="one entry for each size of patch"):
        PatchCamera(patches=(4, 2), features=(8,))
    with pytest.raises(ValueError, match=r"patches of 3 x 3 do not cover maps of 16 x 16 exactly"):
        patches(PIXELS, 3)
